//! What Docker is told: the words of a mount, and how they are written so that they stay these words.

use super::attachment::Attachment;
use super::entry::Entry;
use super::paths::Source;
use super::volume_options::VolumeOptions;

/// The source of a mount as Docker is to see it: the entry's own, with the subpath below it.
pub fn mounted_source(entry: &Entry, attachment: &Attachment) -> String {
    match (&entry.host_path, &attachment.subpath) {
        (Some(Source::Path(path)), Some(subpath)) => {
            format!("{}/{subpath}", path.as_str().trim_end_matches('/'))
        }
        _ => entry.shown_source().to_owned(),
    }
}

/// `host:container[:options]`, the argument of `-v`, for a source as Docker sees it.
pub fn volume_argument(source: &str, attachment: &Attachment) -> String {
    let mut argument = [source, ":", attachment.container_path.as_str()].concat();
    if let Some(options) = attachment.options() {
        argument.push(':');
        argument.push_str(&options);
    }
    argument
}

/// The words that mount an attachment, for a source as Docker sees it.
///
/// A part of a Docker volume can only be told with `--mount`; everything else is `-v`.
pub fn words(source: &str, entry: &Entry, attachment: &Attachment) -> [String; 2] {
    match (&entry.host_path, &attachment.subpath) {
        (Some(Source::Volume(volume)), Some(subpath)) => {
            let part = format!("volume-subpath={subpath}");
            let mut fields = fields("volume", volume.as_str(), attachment, Some(part));
            if attachment.volume_options.as_ref().is_some_and(|o| o.contains("nocopy")) {
                fields.push("volume-nocopy".to_owned());
            }
            ["--mount".to_owned(), comma_separated(&fields)]
        }
        _ => ["-v".to_owned(), volume_argument(source, attachment)],
    }
}

/// The words of a mount of a path that is not there, which Docker refuses, container and all: `-v` would make the path.
pub fn refused(missing: &str, attachment: &Attachment) -> [String; 2] {
    ["--mount".to_owned(), comma_separated(&fields("bind", missing, attachment, None))]
}

/// What `--mount` is told of every mount; `part` stands before whether it is read-only.
fn fields(kind: &str, source: &str, mount: &Attachment, part: Option<String>) -> Vec<String> {
    let mut fields = vec![format!("type={kind}"), format!("source={source}")];
    fields.push(format!("target={}", mount.container_path));
    fields.extend(part);
    fields.extend(mount.is_readonly().then(|| "readonly".to_owned()));
    fields
}

/// The words of a mount of a path, which Docker refuses where it is not there; none where the options can only be told with `-v`.
pub fn bound(source: &str, attachment: &Attachment) -> Option<[String; 2]> {
    let [flag, mut argument] = refused(source, attachment);
    for option in attachment.volume_options.iter().flat_map(VolumeOptions::words) {
        match option {
            "ro" | "rw" => {}
            "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" => {
                argument.push_str(",bind-propagation=");
                argument.push_str(option);
            }
            "consistent" | "cached" | "delegated" => {
                argument.push_str(",consistency=");
                argument.push_str(option);
            }
            _ => return None,
        }
    }
    Some([flag, argument])
}

/// One record of comma-separated values, which is how Docker reads `--mount`.
fn comma_separated(fields: &[String]) -> String {
    let quoted = fields.iter().map(|field| {
        if field.contains([',', '"']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.clone()
        }
    });
    quoted.collect::<Vec<_>>().join(",")
}

/// Writes a word so that both `xargs` and a shell read exactly this word.
pub fn quoted(word: &str) -> String {
    let mut text = String::with_capacity(word.len() + 2);
    quote(word, &mut text);
    text
}

fn quote(word: &str, text: &mut String) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:,=@%+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        text.push_str(word);
        return;
    }
    text.push('\'');
    for (index, part) in word.split('\'').enumerate() {
        if index > 0 {
            text.push_str("'\\''");
        }
        text.push_str(part);
    }
    text.push('\'');
}

/// Words on one line, each quoted as it needs.
pub fn line<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        quote(word, &mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_plain() {
        assert_eq!(quoted("/srv/a:/b:ro,Z"), "/srv/a:/b:ro,Z");
        assert_eq!(quoted("/my data:/x"), "'/my data:/x'");
        assert_eq!(quoted("/it's:/x"), "'/it'\\''s:/x'");
        assert_eq!(quoted("/a\\b:/x"), "'/a\\b:/x'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn a_volumes_part_is_mounted_with_mount() {
        let entry: Entry =
            serde_json::from_str(r#"{"name":"a","scheduler":"docker-local","host_path":"vol"}"#)
                .unwrap();
        let attachment: Attachment = serde_json::from_str(
            r#"{"entry_name":"a","container_path":"/c,d","phases":["deploy"],"subpath":"x","readonly":true}"#,
        )
        .unwrap();
        let words = words("vol", &entry, &attachment);
        assert_eq!(words[1], r#"type=volume,source=vol,"target=/c,d",volume-subpath=x,readonly"#);
    }

    #[test]
    fn what_only_v_can_say_is_no_bound_mount() {
        let with = |options: &str| {
            let attachment: Attachment = serde_json::from_str(&format!(
                r#"{{"entry_name":"a","container_path":"/c","phases":["deploy"],"volume_options":"{options}"}}"#
            ))
            .unwrap();
            bound("/s", &attachment).map(|[_, argument]| argument)
        };
        assert_eq!(
            with("ro,rslave,cached").as_deref(),
            Some(
                "type=bind,source=/s,target=/c,readonly,bind-propagation=rslave,consistency=cached"
            )
        );
        assert_eq!(with("rw").as_deref(), Some("type=bind,source=/s,target=/c"));
        assert_eq!(with("Z"), None);
    }
}
