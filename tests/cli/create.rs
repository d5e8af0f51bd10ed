//! `storage:create`.

use crate::harness::as_root;
use crate::{Session, assert_transcript};

#[test]
fn in_the_recommended_place() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:create", "blog-data"]);
    session.show_file("lib/data/storage-registry/entries/blog-data.json");
    session.show_tree("lib/data");
    session.run(&["storage:create", "blog-data"]);
    session.run_with("quiet", &["storage:create", "other"], |call| {
        call.env("DOKKU_QUIET_OUTPUT", "1")
    });
    session.run_with("quiet", &["storage:create", "other"], |call| {
        call.env("DOKKU_QUIET_OUTPUT", "1")
    });
    assert_transcript!(session);
}

#[test]
fn at_a_path_and_as_a_volume() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:create", "elsewhere", "{ROOT}/srv/deep/data"]);
    session.run(&["storage:create", "volume", "pg_data.1"]);
    session.run(&["storage:list-entries"]);
    session.show_tree("srv");
    session.run(&["storage:create", "elsewhere", "{ROOT}/srv/other"]);
    session.run(&["storage:create", "volume"]);
    session.show_tree("srv");
    assert_transcript!(session);
}

#[test]
fn owner_and_mode() {
    if !as_root("create::owner_and_mode") {
        return;
    }
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:create", "a", "--chown", "herokuish", "--mode", "750"]);
    session.run(&["storage:create", "b", "--chown", "packeto"]);
    session.run(&["storage:create", "c", "--chown", "65535", "--mode", "2775"]);
    session.run(&["storage:create", "d", "--chown", "false"]);
    session.run(&["storage:create", "e", "--chown", "root", "--mode", "1777"]);
    session.show_tree("lib/data/storage");
    session.show_file("lib/data/storage-registry/entries/a.json");
    session.remark("what the first call said is kept where the second does not say it");
    session.run(&["storage:create", "a", "--label", "team=web"]);
    session.show_file("lib/data/storage-registry/entries/a.json");
    assert_transcript!(session);
}

#[test]
fn on_a_cluster() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&[
        "storage:create",
        "claim",
        "--scheduler",
        "k3s",
        "--size",
        "2Gi",
        "--storage-class-name",
        "longhorn",
        "--access-mode",
        "ReadWriteMany",
        "--namespace",
        "prod",
        "--annotation",
        "a=b",
        "--annotation",
        "c=d=e,f=",
        "--label",
        "g=h",
        "--reclaim-policy",
        "Retain",
    ]);
    session.show_file("lib/data/storage-registry/entries/claim.json");
    session.run(&["storage:create", "at-path", "/mnt/x", "--scheduler", "k3s", "--size", "1Gi"]);
    session.host.answer("storage-create.exit", "3");
    session.run(&["storage:create", "refused", "--scheduler", "k3s", "--size", "2Gi"]);
    session.run(&["storage:create", "claim", "--scheduler", "k3s", "--size", "9Gi"]);
    session.remark("nothing of a refused entry is left, and the one before is as it was");
    session.show_tree("lib/data/storage-registry");
    session.show_file("lib/data/storage-registry/entries/claim.json");
    assert_transcript!(session);
}

#[test]
fn refusals() {
    let mut session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "there"]);
    session.host.write("lib/data/storage/a-file", "");
    for words in [
        &[][..],
        &[""],
        &["UPPER"],
        &["dash-"],
        &["a_b"],
        &["a.b"],
        &["a b"],
        &["../x"],
        &["legacy-0123456789"],
        &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
        &["a", "relative/path"],
        &["a", "x"],
        &["a", "-v"],
        &["a", "/srv/x --privileged"],
        &["a", "/srv/x:/y"],
        &["a", "/srv/x\n--privileged"],
        &["a", "/srv/../etc"],
        &["a", "--mode", "8"],
        &["a", "--mode", "999"],
        &["a", "--mode", "rwx"],
        &["a", "--mode", "07777"],
        &["a", "--chown", "nobody"],
        &["a", "--chown", "65536"],
        &["a", "--chown", "1000:"],
        &["a", "--scope", "blog shop"],
        &["a", "--exclusive", "yes"],
        &["a", "--exclusive", "no"],
        &["a", "--size", "10"],
        &["a", "--chown", "-1"],
        &["a", "--annotation", "nokey"],
        &["a", "--label", "=value"],
        &["a", "--reclaim-policy", "Recycle"],
        &["a", "--scheduler", "nomad"],
        &["a", "--size", "0"],
        &["a", "--storage-class-name", "fast"],
        &["a", "--access-mode", "ReadWriteMany"],
        &["a", "/srv/x", "--chown", "heroku"],
        &["a", "/srv/x", "--mode", "0700"],
        &["a", "/srv/x", "--reclaim-policy", "Delete"],
        &["a", "--scheduler", "k3s"],
        &["a", "--scheduler", "k3s", "--size", "1Gi", "--mode", "0755"],
        &["a", "--scheduler", "k3s", "--size", "1Gi", "--access-mode", "Sometimes"],
        &["a", "volume", "--scheduler", "k3s", "--size", "1Gi"],
        &["a", "/x", "--scheduler", "k3s", "--size", "1Gi", "--storage-class-name", "fast"],
        &["there", "--scheduler", "k3s", "--size", "1Gi"],
        &["there", "/elsewhere"],
        &["a", "{ROOT}/lib/data/storage/a-file"],
        &["a", "{ROOT}/lib/data/storage/a-file/below"],
    ] {
        session.run(&[&["storage:create"], words].concat());
    }
    session.remark("nothing of it was done");
    session.run(&["storage:list-entries"]);
    session.show_tree("lib/data");
    assert_transcript!(session);
}
