//! The commands that change something, each with a store in which it has something to do.

use std::fs;

use crate::harness::Host;

/// A command, and what is there before it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// Commands that are run before.
    pub before: &'static [&'static str],
    /// What else is there before.
    pub files: fn(&Host),
    pub command: &'static str,
    /// A directory whose content the command removes piece by piece: where that fails, some of it is gone.
    pub emptied: Option<&'static str>,
}

const NOTHING: fn(&Host) = |_| {};

const fn case(
    name: &'static str,
    before: &'static [&'static str],
    files: fn(&Host),
    command: &'static str,
) -> Case {
    Case { name, before, files, command, emptied: None }
}

/// What an app may say that it needs.
const NEEDS: &str =
    r#"[{"id": "db", "path": "/db"}, {"id": "logs", "path": "/logs", "optional": true}]"#;

/// A document that keeps one mount, drops one, and brings two.
const MOUNTS: &str = r#"[
    {"host_path": "/srv/x", "container_path": "/x"},
    {"host_path": "/srv/new", "container_path": "/new"},
    {"entry_name": "named", "container_path": "/named", "phases": ["deploy"]}
]"#;

/// Every case.
pub const CASES: &[Case] = &[
    case("mount a path for the first time", &[], NOTHING, "storage:mount a /srv/x:/x"),
    case(
        "mount a path that another app mounts",
        &["storage:mount b /srv/x:/x", "storage:mount a /srv/y:/y"],
        NOTHING,
        "storage:mount a /srv/x:/x:ro",
    ),
    case(
        "mount an entry",
        &["storage:create named"],
        NOTHING,
        "storage:mount a named --container-dir /n --phase deploy",
    ),
    case(
        "change a mount",
        &["storage:create named", "storage:mount a named --container-dir /n"],
        NOTHING,
        "storage:mount a named --container-dir /n --volume-readonly",
    ),
    case(
        "unmount a path that nobody else mounts",
        &["storage:mount a /srv/x:/x", "storage:mount a /srv/y:/y"],
        NOTHING,
        "storage:unmount a /srv/x:/x",
    ),
    case(
        "unmount an entry",
        &["storage:create named", "storage:mount a named --container-dir /n"],
        NOTHING,
        "storage:unmount a named",
    ),
    case(
        "move an entry to another app",
        &[
            "storage:create named",
            "storage:mount a named --container-dir /n --phase deploy",
            "storage:mount a named --container-dir /m --volume-readonly",
            "storage:mount b /srv/x:/x",
        ],
        NOTHING,
        "storage:move named a b --no-stop",
    ),
    case(
        "mount an exclusive entry",
        &["storage:create named --exclusive"],
        NOTHING,
        "storage:mount a named --container-dir /n",
    ),
    case("create", &[], NOTHING, "storage:create fresh"),
    case("create with a mode", &[], NOTHING, "storage:create fresh --mode 0750"),
    case(
        "create elsewhere",
        &[],
        NOTHING,
        "storage:create fresh {ROOT}/outside/one/two --label l=1",
    ),
    case(
        "create again",
        &["storage:create named --annotation a=1"],
        NOTHING,
        "storage:create named --annotation b=2",
    ),
    case(
        "create again where the directory is gone",
        &["storage:create named"],
        |host| fs::remove_dir(host.path("lib/data/storage/named")).unwrap(),
        "storage:create named",
    ),
    case(
        "create a file",
        &[],
        |host| host.write("outside/conf", "one"),
        "storage:create fresh --type file --from {ROOT}/outside/conf --mode 0640",
    ),
    case(
        "create a file for somebody again where it is gone",
        &["storage:create named --type file --chown 1000 --mode 0640"],
        |host| fs::remove_file(host.path("lib/data/storage/named")).unwrap(),
        "storage:create named --type file --label a=1",
    ),
    case(
        "set the content of a file",
        &["storage:create named --type file --chown 1000 --mode 0640"],
        |host| host.write("outside/conf", "one"),
        "storage:set named content {ROOT}/outside/conf",
    ),
    case(
        "destroy with the file",
        &["storage:create named --type file"],
        |host| host.write("lib/data/storage/named", "one"),
        "storage:destroy named --force --destroy-host-dir",
    ),
    case(
        "create from a snapshot",
        &["storage:create named", "storage:snapshots:create named one"],
        NOTHING,
        "storage:create fresh --from snapshot:named@one",
    ),
    case(
        "clone an entry",
        &["storage:create named --mode 0750 --label l=1"],
        |host| host.write("lib/data/storage/named/folder/file", "data"),
        "storage:clone named fresh",
    ),
    case(
        "take a snapshot",
        &["storage:create named"],
        |host| host.write("lib/data/storage/named/folder/file", "data"),
        "storage:snapshots:create named one",
    ),
    case(
        "restore a snapshot",
        &["storage:create named"],
        |host| {
            host.write("lib/data/storage/named/file", "before");
            host.must(&["storage:snapshots:create named one"]);
            host.write("lib/data/storage/named/file", "after");
        },
        "storage:snapshots:restore named one",
    ),
    case(
        "take a snapshot of a file",
        &["storage:create named --type file --mode 0640"],
        NOTHING,
        "storage:snapshots:create named one",
    ),
    case(
        "restore a snapshot of a file",
        &["storage:create named --type file --mode 0640", "storage:snapshots:create named one"],
        |host| host.write("lib/data/storage/named", "after"),
        "storage:snapshots:restore named one",
    ),
    case(
        "create a file from a snapshot",
        &["storage:create named --type file", "storage:snapshots:create named one"],
        NOTHING,
        "storage:create fresh --type file --from snapshot:named@one",
    ),
    Case {
        emptied: Some("lib/data/storage/.snapshot-named@one/"),
        ..case(
            "destroy a snapshot",
            &["storage:create named"],
            |host| {
                host.write("lib/data/storage/named/file", "data");
                host.must(&["storage:snapshots:create named one"]);
            },
            "storage:snapshots:destroy named one --force",
        )
    },
    case("set", &["storage:create named"], NOTHING, "storage:set named reclaim-policy Delete"),
    case("set a mode", &["storage:create named"], NOTHING, "storage:set named mode 0711"),
    case("annotate", &["storage:create named"], NOTHING, "storage:annotations:set named k v"),
    case("label", &["storage:create named"], NOTHING, "storage:labels:set named k v"),
    case("destroy", &["storage:create named"], NOTHING, "storage:destroy named --force"),
    Case {
        emptied: Some("lib/data/storage/named/"),
        ..case(
            "destroy with the directory",
            &["storage:create named"],
            |host| {
                host.write("lib/data/storage/named/file", "data");
                host.write("lib/data/storage/named/folder/file", "data");
            },
            "storage:destroy named --force --destroy-host-dir --no-trash",
        )
    },
    case(
        "destroy to the trash",
        &["storage:create named"],
        |host| host.write("lib/data/storage/named/file", "data"),
        "storage:destroy named --force --destroy-host-dir",
    ),
    case(
        "restore from the trash",
        &["storage:create named"],
        |host| {
            host.write("lib/data/storage/named/file", "data");
            host.must(&["storage:destroy named --force --destroy-host-dir"]);
        },
        "storage:trash:restore named",
    ),
    Case {
        emptied: Some("lib/data/storage/.trash-named-N-N/"),
        ..case(
            "empty the trash",
            &["storage:create named"],
            |host| {
                host.write("lib/data/storage/named/folder/file", "data");
                host.must(&["storage:destroy named --force --destroy-host-dir"]);
            },
            "storage:trash:empty --force",
        )
    },
    case(
        "migrate",
        &["storage:mount b /srv/y:/y", "storage:create named"],
        |host| {
            host.write(
                "lib/config/docker-options/a/_default_.deploy",
                "--restart=on-failure:10\n-v /srv/x:/x\n-v /srv/y:/y:ro\n",
            );
            host.write("lib/config/docker-options/a/_default_.run", "-v /srv/x:/x\n");
            host.write("home/a/DOCKER_OPTIONS_RUN", "-v volume-name:/v\n");
        },
        "storage:migrate a",
    ),
    case(
        "migrate after the older flag",
        &["storage:mount a /srv/y:/y"],
        |host| host.write("lib/data/storage-registry/migrations/a", "true"),
        "storage:migrate a",
    ),
    case(
        "delete an app",
        &[
            "storage:create named",
            "storage:mount a /srv/x:/x",
            "storage:mount a /srv/y:/y",
            "storage:mount b /srv/y:/y",
            "storage:mount a named --container-dir /n",
        ],
        |host| {
            host.write("lib/config/storage/a/legacy-mounts-migrated", "true");
            host.write("lib/data/storage-registry/migrations/a", "true");
        },
        "post-delete a",
    ),
    case(
        "clone an app",
        &[
            "storage:create named",
            "storage:mount a /srv/x:/x",
            "storage:mount a named --container-dir /n",
        ],
        NOTHING,
        "post-app-clone-setup a b",
    ),
    case(
        "clone an app by copy",
        &[
            "storage:create named --mode 0750",
            "storage:mount a named --container-dir /n",
            "storage:app:set a clone copy",
        ],
        |host| {
            host.write("lib/data/storage/named/file", "data");
            host.write("lib/data/storage/named/folder/file", "data");
        },
        "post-app-clone-setup a b",
    ),
    case(
        "clone an app by copy with a file",
        &[
            "storage:create named --type file --mode 0640",
            "storage:mount a named --container-dir /n",
            "storage:app:set a clone copy",
        ],
        |host| host.write("lib/data/storage/named", "one"),
        "post-app-clone-setup a b",
    ),
    case(
        "clone an app with empty entries",
        &[
            "storage:create named",
            "storage:mount a named --container-dir /n",
            "storage:app:set a clone empty",
        ],
        NOTHING,
        "post-app-clone-setup a b",
    ),
    case(
        "rename an app",
        &[
            "storage:create named",
            "storage:mount a /srv/x:/x",
            "storage:mount a named --container-dir /n",
        ],
        |host| {
            host.write("lib/config/storage/a/legacy-mounts-migrated", "true");
            fs::create_dir(host.path("home/c")).unwrap();
        },
        "post-app-rename-setup a c",
    ),
    case(
        "rename an app with a volume of its image",
        &["storage:create kept", "storage:create other", "storage:mount a kept --container-dir /n"],
        |host| {
            for (name, path) in [("kept", "/n"), ("other", "/m")] {
                let file = format!("lib/data/storage-registry/entries/{name}.json");
                let entry = fs::read_to_string(host.path(&file)).unwrap();
                let volume = format!(r#"{{"auto_volume": {{"app": "a", "path": "{path}"}},"#);
                host.write(&file, entry.replacen('{', &volume, 1));
            }
            fs::create_dir(host.path("home/c")).unwrap();
        },
        "post-app-rename-setup a c",
    ),
    case(
        "set a policy",
        &["storage:policy:set jail /srv"],
        NOTHING,
        "storage:policy:set allowed-paths /srv /mnt",
    ),
    case(
        "decide for an app",
        &["storage:mount a /srv/x:/x"],
        NOTHING,
        "storage:app:set a missing-source create",
    ),
    case(
        "apply a document",
        &["storage:create named", "storage:mount a /srv/x:/x", "storage:mount a /srv/y:/y"],
        |host| host.write("outside/mounts.json", MOUNTS),
        "storage:apply a < {ROOT}/outside/mounts.json",
    ),
    case(
        "import other needs",
        &["storage:create named"],
        |host| {
            host.write("outside/needs.json", NEEDS);
            host.write("outside/other.json", NEEDS.replace("/db", "/database"));
            host.must(&[
                "storage:needs:import a < {ROOT}/outside/needs.json",
                "storage:needs:link a db named",
            ]);
        },
        "storage:needs:import a < {ROOT}/outside/other.json",
    ),
    case(
        "link a need",
        &["storage:create named"],
        |host| {
            host.write("outside/needs.json", NEEDS);
            host.must(&["storage:needs:import a < {ROOT}/outside/needs.json"]);
        },
        "storage:needs:link a db named",
    ),
    case(
        "unlink a need",
        &["storage:create named"],
        |host| {
            host.write("outside/needs.json", NEEDS);
            host.must(&[
                "storage:needs:import a < {ROOT}/outside/needs.json",
                "storage:needs:link a db named",
            ]);
        },
        "storage:needs:unlink a db",
    ),
    case(
        "remember an image",
        &["storage:mount a /srv/x:/x"],
        NOTHING,
        "post-release-builder herokuish a dokku/a:latest",
    ),
    case(
        "create a connector",
        &[],
        |host| host.write("outside/secret", "first"),
        "storage:connectors:create nas --type cifs --server nas --username ada < {ROOT}/outside/secret",
    ),
    case(
        "rotate both parts of a key",
        &[],
        |host| {
            host.write("outside/secret", "first");
            host.write("outside/next", "second");
            host.must(&[
                "storage:connectors:create films --type s3 --access-key-id A < {ROOT}/outside/secret",
            ]);
        },
        "storage:connectors:set films --access-key-id B < {ROOT}/outside/next",
    ),
    case(
        "create a destination of backups",
        &[],
        |host| host.write("outside/key", "key"),
        "storage:connectors:create disk --type local --path /mnt/b --key-file - < {ROOT}/outside/key",
    ),
    case(
        "make a connector a destination of backups",
        &[],
        |host| {
            host.write("outside/key", "key");
            host.must(&["storage:connectors:create films --type s3"]);
        },
        "storage:connectors:set films --bucket films --key-file - < {ROOT}/outside/key",
    ),
    case(
        "destroy a connector",
        &[],
        |host| {
            host.write("outside/secret", "first");
            host.must(&[
                "storage:connectors:create films --type s3 --access-key-id A < {ROOT}/outside/secret",
            ]);
        },
        "storage:connectors:destroy films --force",
    ),
    case(
        "end a schedule",
        &[],
        |host| {
            host.write("outside/key", "key");
            host.must(&[
                "storage:connectors:create disk --type local --path /mnt/disk --key-file {ROOT}/outside/key",
                "storage:create data",
                "storage:backups:schedule data daily --to disk",
            ]);
        },
        "storage:backups:unschedule data",
    ),
    case("ensure a directory", &[], NOTHING, "storage:ensure-directory --chown false folder"),
];
