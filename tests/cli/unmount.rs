//! `storage:unmount`.

use crate::{Session, assert_transcript};

#[test]
fn host_path_and_its_entry() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:mount", "blog", "/srv/shared:/a"]);
    session.prepare(&["storage:mount", "wiki", "/srv/shared:/b"]);
    session.run(&["storage:unmount", "blog", "/srv/shared:/a"]);
    session.remark("the other app still has it");
    session.run(&["storage:list-entries"]);
    session.run(&["storage:unmount", "wiki", "/srv/shared:/b"]);
    session.run(&["storage:list-entries"]);
    session.show_file("lib/config/storage/wiki/mounts");
    assert_transcript!(session);
}

#[test]
fn named_entry() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "blog-data"]);
    session.prepare(&["storage:mount", "blog", "blog-data", "--container-dir", "/a"]);
    session.prepare(&["storage:mount", "blog", "blog-data", "--container-dir", "/b"]);
    session.run(&["storage:unmount", "blog", "blog-data"]);
    session.run(&["storage:unmount", "blog", "blog-data", "--container-dir", "/nowhere"]);
    session.run(&["storage:unmount", "blog", "blog-data", "--container-dir", "/a/"]);
    session.run(&["storage:unmount", "blog", "blog-data"]);
    session.run(&["storage:unmount", "blog", "blog-data"]);
    session.run(&["storage:unmount", "blog", ""]);
    session.remark("the entry and its data stay");
    session.run(&["storage:list-entries"]);
    session.show_tree("lib/data/storage");
    assert_transcript!(session);
}

#[test]
fn what_the_list_shows_can_be_given_back() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "blog-data"]);
    session.prepare(&[
        "storage:mount",
        "blog",
        "blog-data",
        "--container-dir",
        "/my data",
        "--volume-subpath",
        "part",
        "--volume-options",
        "Z",
    ]);
    let listed = session
        .run_with("quiet", &["storage:list", "blog"], |call| call.env("DOKKU_QUIET_OUTPUT", "1"));
    session.run(&["storage:unmount", "blog", listed.stdout.trim_end()]);
    session.run(&["storage:list", "blog"]);
    assert_transcript!(session);
}

#[test]
fn what_is_not_mounted() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:mount", "blog", "/srv/a:/a"]);
    session.run(&["storage:unmount", "blog", "/srv/a:/b"]);
    session.run(&["storage:unmount", "blog", "/srv/b:/a"]);
    session.run(&["storage:unmount", "blog", "/srv/a:b"]);
    session.run(&["storage:unmount", "blog", "vol_ume:x"]);
    session.run(&["storage:unmount", "blog", "nope"]);
    session.run(&["storage:unmount", "blog"]);
    session.run(&["storage:unmount", "nope", "/srv/a:/a"]);
    session.show_file("lib/config/storage/blog/mounts");
    assert_transcript!(session);
}

#[test]
fn an_attachment_whose_entry_is_gone() {
    let mut session = Session::dokku(&["blog"]);
    session.host.write(
        "lib/config/storage/blog/mounts",
        "{\"entry_name\":\"gone\",\"container_path\":\"/a\",\"phases\":[\"deploy\"]}\n",
    );
    session.run(&["storage:list", "blog"]);
    session.run(&["storage:unmount", "blog", "gone", "--container-dir", "/a"]);
    session.run(&["storage:list", "blog"]);
    assert_transcript!(session);
}
