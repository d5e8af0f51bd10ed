//! The program. Everything is in the library.

fn main() {
    std::process::exit(dokku_storage::run(std::env::args_os()));
}
