//! What Dokku's own plugin hands to the plugin of a cluster, recorded on Dokku 0.38.27, and what this one hands it.

use crate::Session;

const CLAIM: &str = r#"{"name":"claim","scheduler":"k3s","size":"2Gi","access_mode":"ReadWriteMany","storage_class":"longhorn","namespace":"prod","reclaim_policy":"Retain","annotations":{"a":"b"},"labels":{"c":"d"},"schema_version":1}"#;
const PLAIN: &str = r#"{"name":"plain","scheduler":"k3s","size":"1Gi","schema_version":1}"#;
const HOSTED: &str = r#"{"name":"hosted","scheduler":"k3s","host_path":"/srv/data","size":"1Gi","reclaim_policy":"Delete","schema_version":1}"#;
const CLAIM_MOUNTED: &str = r#"{"entry_name":"claim","container_path":"/data","phases":["deploy","run"],"process_type":"_default_"}"#;
const PLAIN_MOUNTED: &str = r#"{"entry_name":"plain","container_path":"/cache","phases":["deploy"],"process_type":"web","subpath":"up/loads","readonly":true}"#;
const HOSTED_MOUNTED: &str = r#"{"entry_name":"hosted","container_path":"/h","phases":["run"],"process_type":"_default_","volume_chown":"1000"}"#;

/// Runs a command that succeeds; the triggers that it fired, with their input.
fn fired(session: &Session, line: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = line.split(' ').collect();
    let answer = session.call(&words).run();
    assert_eq!(answer.status, 0, "{line}: {answer:?}");
    let mut told = answer.fired;
    told.retain(|fired| fired.name.starts_with("storage-"));
    told.into_iter()
        .map(|fired| (format!("{} {}", fired.name, fired.arguments.join(" ")), fired.stdin))
        .collect()
}

fn told(trigger: &str, entry: &str) -> Vec<(String, String)> {
    vec![(trigger.to_owned(), entry.to_owned())]
}

#[test]
fn a_cluster_is_told_what_dokkus_own_plugin_tells_it() {
    let session = Session::dokku(&["blog"]);
    session.host.write("lib/config/scheduler/blog/selected", "k3s");
    session.host.answer("storage-status", "Bound");
    let create = "storage:create claim --scheduler k3s --size 2Gi --storage-class-name longhorn --access-mode ReadWriteMany --namespace prod --annotation a=b --label c=d --reclaim-policy Retain";
    assert_eq!(fired(&session, create), told("storage-create claim", CLAIM));
    let create = "storage:create plain --scheduler k3s --size 1Gi";
    assert_eq!(fired(&session, create), told("storage-create plain", PLAIN));
    let create =
        "storage:create hosted /srv/data --scheduler k3s --size 1Gi --reclaim-policy Delete";
    assert_eq!(fired(&session, create), told("storage-create hosted", HOSTED));

    for mount in [
        "storage:mount blog claim --container-dir /data",
        "storage:mount blog plain --container-dir /cache --phase deploy --volume-readonly --volume-subpath up/loads --process-type web",
        "storage:mount blog hosted --container-dir /h --volume-chown 1000 --phase run",
    ] {
        assert_eq!(fired(&session, mount), []);
    }
    let pair = |entry, mounted| format!(r#"{{"entry":{entry},"attachment":{mounted}}}"#);
    let (claim, plain) = (pair(CLAIM, CLAIM_MOUNTED), pair(PLAIN, PLAIN_MOUNTED));
    let deploy = format!("[{claim},{plain}]");
    let run = format!("[{claim},{}]", pair(HOSTED, HOSTED_MOUNTED));
    for (words, pairs) in [
        (&["storage-app-mounts", "blog"][..], &deploy),
        (&["storage-app-mounts", "blog", "deploy"], &deploy),
        (&["storage-app-mounts", "blog", "run"], &run),
    ] {
        let answer = session.call(words).run();
        assert_eq!((answer.status, answer.stdout.trim_end()), (0, pairs.as_str()), "{words:?}");
    }

    let claim = CLAIM.replace("2Gi", "3Gi");
    assert_eq!(fired(&session, "storage:set claim size 3Gi"), told("storage-create claim", &claim));
    assert_eq!(fired(&session, "storage:wait claim"), told("storage-status claim", &claim));
    assert_eq!(fired(&session, "storage:unmount blog plain --container-dir /cache"), []);
    let destroy = "storage:destroy plain --force";
    assert_eq!(fired(&session, destroy), told("storage-destroy plain", PLAIN));
}

#[test]
fn a_claim_is_reported_by_its_name() {
    let session = Session::dokku(&["blog"]);
    session.prepare(&["storage:create", "claim", "--scheduler", "k3s", "--size", "1Gi"]);
    session.prepare(&["storage:mount", "blog", "claim", "--container-dir", "/data"]);
    let answer = session.call(&["storage:report", "blog", "--format", "json"]).run();
    assert!(answer.stdout.contains("\"attachment.1.host-path\":\"claim\""), "{answer:?}");
}
