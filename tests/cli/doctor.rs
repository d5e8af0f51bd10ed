//! `storage:doctor`.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use crate::harness::stubs;
use crate::places::limit;
use crate::{Session, assert_transcript};

#[test]
fn nothing_is_wrong() {
    let mut session = Session::dokku(&["blog"]);
    session.run(&["storage:doctor"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    session.run(&["storage:doctor", "blog"]);
    session.run(&["storage:doctor", "blog", "--format", "json"]);
    assert_transcript!(session);
}

#[test]
fn what_is_wrong_is_said_with_what_mends_it() {
    let mut session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "lost"]);
    session.prepare(&["storage:create", "missing"]);
    session.prepare(&["storage:create", "unused"]);
    session.prepare(&["storage:mount", "blog", "lost", "--container-dir", "/lost"]);
    session.prepare(&["storage:mount", "blog", "missing", "--container-dir", "/missing"]);
    std::fs::remove_file(session.host.path("lib/data/storage-registry/entries/lost.json")).unwrap();
    std::fs::remove_dir(session.host.path("lib/data/storage/missing")).unwrap();
    let options = "lib/config/docker-options/blog/_default_.deploy";
    session.host.write(options, "-v /srv/old:/old\n");
    session.host.write("lib/config/storage/wiki/mounts", "{\"entry_name\":\"tru\n");
    let needs = r#"[{"id":"uploads","description":"what visitors send","path":"/up"}]"#;
    session.call(&["storage:needs:import", "blog"]).stdin(needs).run();
    session.run(&["storage:doctor"]);
    session.run(&["storage:doctor", "blog", "--format", "json"]);
    session.run(&["storage:doctor", "nope"]);
    session.run(&["storage:doctor", "blog", "--format", "yaml"]);
    assert_transcript!(session);
}

#[test]
fn a_path_that_docker_options_claim_too_in_every_form() {
    let forms: &[(&str, &str, &str)] = &[
        ("_default_.deploy", "-v /srv/x:/data", "docker-options:remove blog deploy"),
        ("_default_.deploy", "-v=/srv/x:/data/", "docker-options:remove blog deploy"),
        ("_default_.deploy", "-itv/srv/x:/data", "docker-options:remove blog deploy"),
        ("_default_.deploy", "--volume X:/data", "docker-options:remove blog deploy"),
        ("_default_.deploy", "--volume=X:/data:ro", "docker-options:remove blog deploy"),
        ("_default_.deploy", "--volume /data", "docker-options:remove blog deploy"),
        ("_default_.deploy", "--mount type=bind,source=/srv/x,target=/data", "blog deploy"),
        ("_default_.deploy", "--mount 'type=tmpfs,\"dst=/data\"'", "blog deploy"),
        ("_default_.deploy", "--tmpfs /data:size=1m", "docker-options:remove blog deploy"),
        ("_default_.deploy", "--memory 1g -v X:/data", "docker-options:remove blog deploy"),
        ("_default_.run", "--init --volume X:/data", "docker-options:remove blog run"),
        ("web.deploy", "--volume X:/data", "docker-options:remove --process web blog deploy"),
        ("web.deploy", "--tmpfs=/data", "docker-options:remove --process web blog deploy"),
    ];
    let harmless: &[(&str, &str)] = &[
        ("_default_.deploy", "--env A=-v --label X:/data"),
        ("_default_.deploy", "-e -v -e X:/data"),
        ("_default_.deploy", "# -v X:/data"),
        ("_default_.deploy", "--name -v\n--hostname X:/data"),
        ("_default_.build", "-v X:/data"),
    ];
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "data"]);
    session.prepare(&["storage:mount", "blog", "data", "--container-dir", "/data"]);
    let found = |file: &str, lines: &str| {
        let path = format!("lib/config/docker-options/blog/{file}");
        session.host.write(&path, format!("{lines}\n"));
        let release = ["pre-release-builder", "dockerfile", "blog", "dokku/blog:latest"];
        let release = session.call(&release).run();
        let doctor = session.call(&["storage:doctor", "blog", "--format", "json"]).run();
        std::fs::remove_file(session.host.path(&path)).unwrap();
        (release, doctor)
    };
    for (file, line, remedy) in forms {
        let (release, doctor) = found(file, line);
        assert_eq!(release.status, 1, "{file} {line}: {release:?}");
        assert!(release.stderr.contains(remedy), "{file} {line}: {release:?}");
        let findings: serde_json::Value = serde_json::from_str(&doctor.stdout).unwrap();
        let about: Vec<_> = findings
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| f["sentence"].as_str().unwrap().contains(line))
            .collect();
        assert_eq!(about.len(), 1, "{file} {line}: {doctor:?}");
        assert_eq!(about[0]["code"], "path-collision");
    }
    for (file, lines) in harmless {
        let (release, doctor) = found(file, lines);
        assert_eq!(release.status, 0, "{file} {lines}: {release:?}");
        assert!(!doctor.stdout.contains("path-collision"), "{file} {lines}: {doctor:?}");
    }
}

#[test]
fn lines_of_docker_options_that_mount_elsewhere_are_named_once() {
    let mut session = Session::dokku(&["blog"]);
    session.host.write(
        "lib/config/docker-options/blog/_default_.deploy",
        "-v /srv/a:/a\n-v relative:x\n--volume /srv/b:/b\n--mount type=bind,src=/srv/c,dst=/c\n--tmpfs /d\n--memory 1g\n",
    );
    session.host.write("lib/config/docker-options/blog/web.deploy", "-v /srv/e:/e -v /srv/f:/f\n");
    session.run(&["storage:doctor", "blog"]);
    session.run(&["storage:migrate", "blog"]);
    session.run(&["storage:doctor", "blog"]);
    assert_transcript!(session);
}

#[test]
fn who_sees_every_app_is_told_of_the_whole_host() {
    let session = Session::dokku(&["blog", "wiki"]);
    session.prepare(&["storage:create", "unused"]);
    for (seen, is_told) in [("blog\nwiki\n", true), ("blog\n", false)] {
        limit(&session, seen);
        let answer = session.call(&["storage:doctor"]).run();
        assert_eq!(answer.stdout.contains("unused-entry"), is_told, "{answer:?}");
    }
}

#[test]
fn a_docker_that_does_not_answer_is_a_finding() {
    let session = Session::dokku(&["blog"]);
    session.host.answer("docker-ps.exit", "1");
    for words in [&["storage:doctor"][..], &["storage:doctor", "blog"]] {
        let answer = session.call(words).run();
        let is_told = answer.stdout.contains("docker-silent") && answer.status == 1;
        assert!(is_told, "{answer:?}");
    }
}

/// What a hung Docker is asked by one command takes as long as one question, over its socket and through its client.
#[test]
fn a_docker_that_hangs_is_waited_for_once() {
    let session = Session::dokku(&["blog"]);
    for name in ["one", "two"] {
        session.prepare(&["storage:create", name, &format!("vol-{name}")]);
        session.prepare(&["storage:mount", "blog", name, "--container-dir", &format!("/{name}")]);
    }
    let socket = session.host.path("hung.sock");
    let _nobody_answers = UnixListener::bind(&socket).unwrap();
    let engine = format!("unix://{}", socket.display());
    stubs::script(&session.host.path("stub/bin/docker"), "#!/bin/sh\nexec sleep 120\n");
    let calls: [&[&str]; 3] = [
        &["storage:doctor"],
        &["storage:doctor", "blog"],
        &["storage:wait", "one", "--timeout", "1"],
    ];
    let client = session.host.path("stub/bin/docker").to_string_lossy().into_owned();
    let answer = |words: &[&str], bin: &str, host: &str| {
        let begin = Instant::now();
        let call = session.call(words).env("DOCKER_BIN", bin).env("DOCKER_HOST", host);
        (call.run(), begin.elapsed())
    };
    std::thread::scope(|scope| {
        let asked = calls.iter().flat_map(|words| [(words, &*client, ""), (words, "", &*engine)]);
        let asked =
            asked.map(|(words, bin, host)| scope.spawn(move || (words, answer(words, bin, host))));
        for asked in asked.collect::<Vec<_>>() {
            let (words, (answer, took)) = asked.join().unwrap();
            assert_eq!(answer.status, 1, "{words:?}: {answer:?}");
            let said = format!("{}{}", answer.stdout, answer.stderr);
            assert!(said.contains("Docker does not answer"), "{words:?}: {said}");
            assert!(took < Duration::from_secs(40), "{words:?}: {took:?}");
        }
    });
}

#[test]
fn a_code_has_one_severity_of_an_app_and_of_its_entry() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "conf", "--type", "file"]);
    session.prepare(&["storage:mount", "blog", "conf", "--container-dir", "/conf"]);
    std::fs::remove_file(session.host.path("lib/data/storage/conf")).unwrap();
    let found = |of: &str| {
        let answer = session.call(&["storage:doctor", of, "--format", "json"]).run();
        let findings: Vec<serde_json::Value> = serde_json::from_str(&answer.stdout).unwrap();
        let of_conf = findings.iter().filter(|finding| finding["code"] != "used-by");
        let both = |finding: &serde_json::Value| {
            ["code", "severity"].map(|key| finding[key].as_str().unwrap().to_owned())
        };
        (of_conf.map(both).collect::<Vec<_>>(), answer.status)
    };
    let (of_app, status) = found("blog");
    assert_eq!((of_app.len(), of_app[0][1].as_str(), status), (1, "stops", 1), "{of_app:?}");
    assert_eq!(found("conf"), (of_app, 1));
    session.prepare(&["storage:unmount", "blog", "conf"]);
    assert_eq!(found("conf"), (vec![["not-ready".to_owned(), "note".to_owned()]], 0));
}
