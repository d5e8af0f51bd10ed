//! A throw-away host: Dokku's folders in a root of their own, with the plugin in its place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::call::Call;
use super::plugin::Plugin;
use super::stubs;

/// A host; it is gone when dropped.
#[derive(Debug)]
pub struct Host {
    folder: TempDir,
    root: PathBuf,
    assembled: PathBuf,
    _plugin: Arc<Plugin>,
}

impl Host {
    /// A host with these apps, and the plugin that all hosts share.
    pub fn new(apps: &[&str]) -> Self {
        Self::with_plugin(Plugin::shared(), apps)
    }

    /// A host with these apps and a plugin.
    pub fn with_plugin(plugin: Arc<Plugin>, apps: &[&str]) -> Self {
        let assembled = plugin.folder();
        Self::with_folder(plugin, assembled, apps)
    }

    /// A host whose plugin is another folder.
    pub fn with_folder(plugin: Arc<Plugin>, assembled: PathBuf, apps: &[&str]) -> Self {
        let folder = TempDir::with_prefix("storage-host-").unwrap();
        let root = folder.path().canonicalize().unwrap();
        let host = Self { folder, root, assembled, _plugin: plugin };
        for path in [
            "lib/plugins/available",
            "lib/plugins/enabled",
            "lib/core-plugins/available",
            "lib/config",
            "lib/data",
            "home",
        ] {
            fs::create_dir_all(host.path(path)).unwrap();
        }
        symlink(&host.assembled, host.plugin()).unwrap();
        symlink(host.plugin(), host.path("lib/plugins/enabled/storage")).unwrap();
        symlink(&host.assembled, host.path("lib/core-plugins/available/storage")).unwrap();
        stubs::write(&host.stubs());
        for app in apps {
            host.folder(&format!("home/{app}"));
        }
        host
    }

    /// The root of all of it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the root.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The plugin's folder, as Dokku calls it.
    pub fn plugin(&self) -> PathBuf {
        self.path("lib/plugins/available/storage")
    }

    /// The folder of the stand-ins.
    pub fn stubs(&self) -> PathBuf {
        self.path("stub")
    }

    /// Makes a folder below the root.
    pub fn folder(&self, below: &str) {
        fs::create_dir_all(self.path(below)).unwrap();
    }

    /// Writes a file below the root, and the folders on the way to it.
    pub fn file(&self, below: &str, text: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What a stand-in is to answer.
    pub fn answer(&self, name: &str, text: &str) {
        self.file(&format!("stub/answers/{name}"), text);
    }

    /// Puts the paths of this host in the places of `{ROOT}` and `{PLUGIN}`.
    pub fn expand(&self, text: &str) -> String {
        let plugin = self.plugin();
        text.replace("{ROOT}", self.root.to_str().unwrap())
            .replace("{PLUGIN}", plugin.to_str().unwrap())
    }

    /// Puts `{PLUGIN}` and `{ROOT}` in the places of this host's paths.
    pub fn fold(&self, text: &str) -> String {
        let node = dokku_storage::testing::node();
        text.replace(&format!("\"node\":\"{node}\""), "\"node\":\"{NODE}\"")
            .replace(&format!("\"node\": \"{node}\""), "\"node\": \"{NODE}\"")
            .replace(&format!("Node:             {node}"), "Node:             {NODE}")
            .replace(self.plugin().to_str().unwrap(), "{PLUGIN}")
            .replace(self.root.to_str().unwrap(), "{ROOT}")
            .replace(self.assembled.to_str().unwrap(), "{PLUGIN}")
    }

    /// A file's text with this host's paths folded; none where there is no such file.
    pub fn read(&self, path: &Path) -> Option<String> {
        let bytes = fs::read(path).ok()?;
        Some(self.fold(&String::from_utf8_lossy(&bytes)))
    }

    /// A call of a file of the plugin's folder, in the environment that Dokku gives to every call.
    pub fn call(&self, file: &str) -> Call<'_> {
        Call::new(self, self.plugin().join(file), self.environment())
    }

    fn environment(&self) -> Vec<(String, String)> {
        let user = if super::is_root() { "root".to_owned() } else { user_name() };
        let group = if super::is_root() { "root".to_owned() } else { group_name() };
        let below = |path: &str| self.path(path).to_str().unwrap().to_owned();
        let home = below("home");
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let pairs = [
            ("PATH", format!("{}:{path}", below("stub/bin"))),
            ("HOME", home.clone()),
            ("LANG", "C.UTF-8".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("USER", user.clone()),
            ("SHELL", "/bin/bash".to_owned()),
            ("STUB_DIR", below("stub")),
            ("DOKKU_ROOT", home.clone()),
            ("DOKKU_HOST_ROOT", home),
            ("DOKKU_LIB_ROOT", below("lib")),
            ("PLUGIN_PATH", below("lib/plugins")),
            ("PLUGIN_AVAILABLE_PATH", below("lib/plugins/available")),
            ("PLUGIN_ENABLED_PATH", below("lib/plugins/enabled")),
            ("PLUGIN_CORE_PATH", below("lib/core-plugins")),
            ("PLUGIN_CORE_AVAILABLE_PATH", below("lib/core-plugins/available")),
            ("PLUGIN_CORE_ENABLED_PATH", below("lib/core-plugins/enabled")),
            ("DOKKU_SYSTEM_USER", user),
            ("DOKKU_SYSTEM_GROUP", group),
            ("DOCKER_BIN", below("stub/bin/docker")),
            ("DOKKU_API_VERSION", "1".to_owned()),
            ("DOKKU_NOT_IMPLEMENTED_EXIT", "10".to_owned()),
            ("DOKKU_VALID_EXIT", "0".to_owned()),
            ("DOKKU_PID", "1".to_owned()),
            ("DOKKU_DISTRO", "debian".to_owned()),
            ("DOKKU_LOGS_DIR", below("log")),
            ("DOKKU_EVENTS_LOGFILE", below("log/events.log")),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn user_name() -> String {
    said_by_id("-un")
}

fn group_name() -> String {
    said_by_id("-gn")
}

fn said_by_id(flag: &str) -> String {
    let output = assert_cmd::Command::new("id").arg(flag).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
