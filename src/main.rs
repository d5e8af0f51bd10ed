//! The program. Everything is in the library.

/// The C library's own takes half of a short call's time.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() {
    std::process::exit(dokku_storage::run(std::env::args_os()));
}
