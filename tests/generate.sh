#!/usr/bin/env bash
# Writes what follows from other files: the modules of src/commands, the links of subcommands/ and triggers/, docs/reference.md and what the
# examples of the pages print, and the snapshots of help. Read the difference before you commit it. Run it by ./test.sh generate.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

modules=src/commands/mod.rs
for path in src/commands/*; do
  name=$(basename "$path" .rs)
  if [ "$name" != mod ] && ! grep -qE "^(pub(\(crate\))? )?mod $name;" "$modules"; then
    echo "pub(crate) mod $name;" >>"$modules"
  fi
done
cargo fmt

# What does not compile removes nothing.
cargo build --quiet --locked
rm -rf subcommands triggers
DOKKU_STORAGE_ROOT=$PWD/target/no-store cargo run --quiet --locked -- links .

UPDATE_DOCS=1 cargo test --quiet --locked --test docs -- every_example_prints_what_it_says the_reference_says
INSTA_UPDATE=always cargo test --quiet --locked --test cli help::
