//! What the inner parts cost: taking files apart, quoting words, printing reports.
//!
//! `cargo bench --manifest-path benches/inner/Cargo.toml`

use std::path::Path;

use divan::{Bencher, black_box};
use dokku_storage::domain::attachment::Attachment;
use dokku_storage::domain::docker_args;
use dokku_storage::domain::entry::Entry;
use dokku_storage::testing::Printer;
use dokku_storage::testing::Report;
use dokku_storage::testing::MountsFile;

fn main() {
    divan::main();
}

const ENTRY: &str = r#"{
  "name": "entry-00001",
  "scheduler": "docker-local",
  "host_path": "/var/lib/dokku/data/storage/entry-00001",
  "chown": "1000",
  "labels": { "team": "web" },
  "schema_version": 1
}"#;

const LINE: &str = r#"{"entry_name":"entry-00001","container_path":"/data","phases":["deploy","run"],"process_type":"_default_"}"#;

fn entry() -> Entry {
    serde_json::from_str(ENTRY).expect("an entry")
}

fn attachment() -> Attachment {
    serde_json::from_str(LINE).expect("an attachment")
}

/// An entry's file.
#[divan::bench]
fn parse_entry() -> Entry {
    serde_json::from_str(black_box(ENTRY)).expect("an entry")
}

/// An app's file with so many lines.
#[divan::bench(args = [1, 5, 100])]
fn parse_mounts(bencher: Bencher, lines: usize) {
    let content = format!("{LINE}\n").repeat(lines);
    bencher.bench(|| MountsFile::parse(Path::new("mounts"), black_box(content.as_bytes())));
}

/// An entry's file as it is written.
#[divan::bench]
fn render_entry(bencher: Bencher) {
    let entry = entry();
    bencher.bench(|| serde_json::to_vec_pretty(black_box(&entry)));
}

/// A report of so many rows.
#[divan::bench(args = [10, 50])]
fn render_report(bencher: Bencher, rows: usize) {
    bencher.bench(|| {
        let mut report = Report::default();
        for row in 0..rows {
            report.add(format!("attachment.{row:02}.container-path"), black_box("/data"));
        }
        // What is printed stays in memory: standard output is no part of this.
        let mut out = Printer::new(false);
        report.print_text(&mut out, "app");
        out
    });
}

/// The words of a mount.
#[divan::bench]
fn words_of_mount(bencher: Bencher) {
    let (entry, attachment) = (entry(), attachment());
    bencher.bench(|| docker_args::words(black_box("/srv/data"), &entry, &attachment));
}

/// A word that needs no quotes, and one that does.
#[divan::bench(args = ["/var/lib/dokku/data/storage/entry-00001:/data", "/my data/it's here:/x"])]
fn quote(word: &str) -> String {
    docker_args::quoted(black_box(word))
}
