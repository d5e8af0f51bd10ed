//! Arbitrary inputs, and hostile ones: what breaks quoting, paths, lines and lists.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Pieces of text that have broken programs like this one.
const PIECES: [&str; 52] = [
    "/",
    "//",
    "/./",
    "/../",
    "..",
    ".",
    ":",
    "::",
    ",",
    ",,",
    "=",
    "-",
    "--",
    "-v",
    " -v ",
    "ro",
    "rw",
    ":ro",
    ":ro,Z",
    "nocopy",
    " --privileged",
    "--privileged",
    " --pid=host",
    "\u{a0}--privileged",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "'",
    "\"",
    "''",
    "\"\"",
    "\\",
    "\\\\",
    "\\'",
    "\\\n",
    "$(id)",
    "`id`",
    "${HOME}",
    "~",
    "*",
    ";",
    "|",
    "&&",
    "%s%n",
    "{app}",
    "é",
    "日本",
    "\u{202e}",
    "\u{2028}",
];

/// Whole values that mean something somewhere.
const VALUES: [&str; 28] = [
    "",
    "_default_",
    "web",
    "false",
    "true",
    "null",
    "root",
    "herokuish",
    "65535",
    "65536",
    "-1",
    "0",
    "0755",
    "2775",
    "deploy",
    "run",
    "build",
    "deploy,run",
    "docker-local",
    "k3s",
    "Retain",
    "Delete",
    "--help",
    "--format",
    "json",
    "--",
    "-",
    "legacy-0123456789",
];

/// One character: mostly of those that are plain somewhere and special elsewhere.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        8 => select("abcz019_.-".chars().collect::<Vec<char>>()),
        3 => select("/:,= '\"\\$`~*?[]{}()<>|&;!#%@^+".chars().collect::<Vec<char>>()),
        1 => select("\t\n\r\0\u{1}\u{1b}\u{7f}\u{85}\u{a0}\u{200b}\u{202e}\u{2003}\u{2028}\u{3000}\u{feff}é日𐍈".chars().collect::<Vec<char>>()),
        1 => any::<char>(),
    ]
}

/// Any text at all.
pub fn text() -> impl Strategy<Value = String> {
    let glued =
        vec(prop_oneof![3 => select(&PIECES[..]).prop_map(str::to_owned), 2 => plain()], 0..8);
    prop_oneof![
        4 => vec(character(), 0..24).prop_map(String::from_iter),
        4 => glued.prop_map(|pieces| pieces.concat()),
        2 => select(&VALUES[..]).prop_map(str::to_owned),
        2 => any::<String>(),
        1 => long(),
    ]
}

/// Any bytes at all, mostly text.
pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => text().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..64),
        1 => (text(), vec(any::<u8>(), 1..4)).prop_map(|(text, end)| [text.into_bytes(), end].concat()),
    ]
}

/// A word that is plain everywhere.
fn plain() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,6}"
}

/// Values of up to 64 KiB.
fn long() -> impl Strategy<Value = String> {
    let length = select(vec![45_usize, 46, 63, 64, 255, 256, 1024, 4095, 4096, 65_536]);
    (length, select(vec!["a", "/", "/a", "'", " ", "é", "a,"]))
        .prop_map(|(length, unit)| unit.repeat(length / unit.len()))
}

/// A name between slashes: anything that a path can hold, and now and then what it cannot.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => plain(),
        4 => vec(character().prop_filter("paths have no slash or colon in a name", |c| !"/:".contains(*c) && !c.is_control()), 1..12)
            .prop_map(String::from_iter),
        1 => select(vec![".", "..", "-x", "'", "a b", " ", "\\", "\"", "it's"]).prop_map(str::to_owned),
        1 => text(),
    ]
}

/// What may be a path.
pub fn path() -> impl Strategy<Value = String> {
    let rooted = vec(segment(), 1..5).prop_map(|parts| format!("/{}", parts.join("/")));
    prop_oneof![12 => rooted, 1 => text()]
}

/// What may be a part of an entry.
pub fn subpath() -> impl Strategy<Value = String> {
    vec(segment(), 1..4).prop_map(|parts| parts.join("/"))
}

/// What may be the name of a Docker volume.
pub fn volume() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[a-zA-Z0-9][a-zA-Z0-9_.-]{1,12}", 1 => text()]
}

/// What may be options of a mount.
pub fn options() -> impl Strategy<Value = String> {
    let known = select(vec![
        "ro", "rw", "z", "Z", "nocopy", "nosuid", "noexec", "rshared", "cached", "size=1g",
    ]);
    let listed = vec(prop_oneof![9 => known.prop_map(str::to_owned), 1 => segment()], 0..4);
    listed.prop_map(|options| options.join(","))
}

/// What may be a mount: `host:container[:options]`.
pub fn mount() -> impl Strategy<Value = String> {
    let source = prop_oneof![4 => path(), 1 => volume()];
    let options = prop_oneof![2 => Just(String::new()), 1 => options().prop_map(|options| format!(":{options}"))];
    let likely = (source, path(), options)
        .prop_map(|(source, place, options)| format!("{source}:{place}{options}"));
    prop_oneof![8 => likely, 1 => text()]
}
