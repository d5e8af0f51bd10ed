//! The commands that change something, each with a store in which it has something to do.

use std::fs;

use crate::common::Host;

/// A command, and what is there before it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// Commands that are run before.
    pub before: &'static [&'static str],
    /// What else is there before.
    pub files: fn(&Host),
    pub command: &'static str,
    /// A folder whose content the command removes piece by piece: where that fails, some of it is gone.
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
            "storage:destroy named --force --destroy-host-dir",
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
            host.write("apps/a/DOCKER_OPTIONS_RUN", "-v volume-name:/v\n");
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
            fs::create_dir(host.path("apps/c")).unwrap();
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
    case("ensure a directory", &[], NOTHING, "storage:ensure-directory --chown false folder"),
];
