//! How `xargs` splits what it reads, as a model that runs in the process; the property tests hold it against the
//! real one.

/// Where in the text `xargs` is.
enum State {
    Between,
    Word,
    Quote(char),
    Backslash,
}

/// The words that `xargs` makes of a text; none where it stops with an error (a quote that is not closed).
///
/// Blanks and ends of line end a word; between words, every kind of white space is skipped. Quotes of either kind keep
/// what is between them, which cannot be an end of line. Outside of quotes a backslash keeps the next character.
/// At the end of the text a word counts only if it has a character.
pub fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut state = State::Between;
    for character in text.chars() {
        state = match (state, character) {
            (State::Between, ' ' | '\t'..='\r') => State::Between,
            (State::Word, ' ' | '\t' | '\n') => {
                words.push(std::mem::take(&mut word));
                State::Between
            }
            (State::Between | State::Word, '\'' | '"') => State::Quote(character),
            (State::Between | State::Word, '\\') => State::Backslash,
            (State::Quote(_), '\n') => return None,
            (State::Quote(quote), _) if quote == character => State::Word,
            (State::Quote(quote), _) => {
                word.push(character);
                State::Quote(quote)
            }
            (State::Between | State::Word | State::Backslash, _) => {
                word.push(character);
                State::Word
            }
        };
    }
    if !word.is_empty() {
        if let State::Quote(_) = state {
            return None;
        }
        words.push(word);
    }
    Some(words)
}
