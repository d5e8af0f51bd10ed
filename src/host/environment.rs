//! What the caller's environment says: on a Dokku host, or without Dokku.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::domain::text::hex;
use crate::domain::{AppName, Error, HostPath, Installed, Result};

/// What sudo sets in every program that it runs, and systemd in every service that says when it is ready.
const SUDO: &str = "SUDO_UID";
const NOTIFY: &str = "NOTIFY_SOCKET";

/// In which variable the serving program is told which descriptor is the mount's.
pub(crate) const FUSE_DESCRIPTOR: &str = "DOKKU_STORAGE_FUSE";

/// Where Dokku keeps its state unless `DOKKU_LIB_ROOT` says otherwise.
pub(crate) const DOKKU_LIB_ROOT: &str = "/var/lib/dokku";

/// Where Dokku writes its logs unless `DOKKU_LOGS_DIR` says otherwise.
const DOKKU_LOGS: &str = "/var/log/dokku";

/// Where Dokku keeps its apps unless `DOKKU_ROOT` says otherwise.
const DOKKU_ROOT: &str = "/home/dokku";

/// Where programs are looked for unless the caller says otherwise.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether what the caller's environment says counts for nothing.
static IS_IGNORED: OnceLock<()> = OnceLock::new();

/// Takes nothing of the caller's environment from now on, and passes nothing on: root works for somebody else.
pub(crate) fn ignore() {
    let _ = IS_IGNORED.set(());
}

/// What the programs that are started have for an environment, where they do not have the caller's.
pub(crate) fn instead() -> Option<[(&'static str, &'static str); 2]> {
    IS_IGNORED.get().map(|()| [("PATH", SEARCH_PATH), ("HOME", "/root")])
}

/// What was answered to which question, and when.
pub(crate) type Answers = HashMap<Vec<String>, (Instant, String)>;

/// The environment variables of one call. Each is looked up when it is asked for.
#[derive(Debug, Clone)]
pub struct Environment {
    lib_root: PathBuf,
    apps_root: Option<PathBuf>,
    /// Whether a plugin decides who sees which app, once that was asked.
    pub(crate) is_restricted: OnceLock<bool>,
    /// What that plugin said.
    pub(crate) granted: Arc<Mutex<Answers>>,
}

impl Environment {
    /// Reads where the store is. `DOKKU_LIB_ROOT`, or Dokku's own directory where nothing else is said, makes it
    /// a Dokku host; otherwise the store is `DOKKU_STORAGE_ROOT`, or below the caller's home.
    pub fn of_this_process() -> Result<Self> {
        let dokku = |lib_root: PathBuf| Self {
            lib_root,
            apps_root: Some(path("DOKKU_ROOT").unwrap_or_else(|| PathBuf::from(DOKKU_ROOT))),
            is_restricted: OnceLock::new(),
            granted: Arc::default(),
        };
        if let Some(lib_root) = path("DOKKU_LIB_ROOT") {
            return Ok(dokku(lib_root));
        }
        let alone = |lib_root: PathBuf| Self {
            lib_root,
            apps_root: None,
            is_restricted: OnceLock::new(),
            granted: Arc::default(),
        };
        if let Some(root) = path("DOKKU_STORAGE_ROOT") {
            return std::path::absolute(&root).map(alone).map_err(Error::system("find", root));
        }
        if path("DOKKU_ROOT").is_some() || Path::new(DOKKU_LIB_ROOT).join("core-plugins").is_dir() {
            return Ok(dokku(PathBuf::from(DOKKU_LIB_ROOT)));
        }
        let data =
            path("XDG_DATA_HOME").or_else(|| path("HOME").map(|home| home.join(".local/share")));
        // A supervisor is started with nothing in its environment; `install` noted for which store.
        let noted = || std::fs::read_to_string(own_installation()?.lib_root_file()).ok();
        data.map(|data| alone(data.join("dokku-storage")))
            .or_else(|| noted().map(|root| dokku(PathBuf::from(root))))
            .ok_or_else(|| refusal!("no place for the store: set HOME or DOKKU_STORAGE_ROOT"))
    }

    pub fn is_dokku(&self) -> bool {
        self.apps_root.is_some()
    }

    /// What is typed before `storage:NAME` on this host.
    pub(crate) fn program(&self) -> &'static str {
        if self.is_dokku() { "dokku" } else { "dokku-storage" }
    }

    pub fn lib_root(&self) -> &Path {
        &self.lib_root
    }

    pub fn apps_root(&self) -> Option<&Path> {
        self.apps_root.as_deref()
    }

    pub(crate) fn has_app(&self, app: &AppName) -> bool {
        self.apps_root.as_ref().is_some_and(|root| root.join(app.as_str()).is_dir())
    }

    pub(crate) fn system_user(&self) -> String {
        var("DOKKU_SYSTEM_USER").unwrap_or_else(|| "dokku".to_owned())
    }

    pub fn system_group(&self) -> String {
        let group = var("DOKKU_SYSTEM_GROUP").or_else(|| var("DOKKU_SYSTEM_USER"));
        group.unwrap_or_else(|| "dokku".to_owned())
    }

    /// The store's directories as the *host's* Docker sees them, where Dokku itself runs in a container and that
    /// differs from what it sees.
    pub fn host_lib_root(&self) -> Result<Option<PathBuf>> {
        let Some(root) = path("DOKKU_LIB_HOST_ROOT").filter(|root| *root != self.lib_root) else {
            return Ok(None);
        };
        let text = root.to_string_lossy();
        HostPath::parse(&text).map_err(|reason| refusal!("DOKKU_LIB_HOST_ROOT: {reason}"))?;
        Ok(Some(root))
    }

    /// Whether headlines are to be left out (`--quiet`).
    pub fn is_quiet(&self) -> bool {
        var("DOKKU_QUIET_OUTPUT").is_some()
    }

    pub fn is_over_ssh(&self) -> bool {
        var("SSH_CLIENT").is_some()
    }

    /// Whether confirmation was given with the global `--force`.
    pub fn is_forced(&self) -> bool {
        var("DOKKU_APPS_FORCE_DELETE").as_deref() == Some("1")
    }

    pub(crate) fn backs_data_up(&self) -> bool {
        var("DOKKU_BACKUP_INCLUDE_STORAGE").as_deref() == Some("1")
    }

    pub fn app_name(&self) -> Option<String> {
        var("DOKKU_APP_NAME")
    }

    /// The status with which `commands` says that a command is not its own.
    pub fn not_implemented_status(&self) -> i32 {
        var("DOKKU_NOT_IMPLEMENTED_EXIT").and_then(|status| status.parse().ok()).unwrap_or(10)
    }

    /// Who calls, as access-control plugins are told: the SSH user, and the name of the SSH key.
    pub fn caller(&self) -> [String; 2] {
        let user = var("SSH_USER").or_else(|| var("USER")).unwrap_or_default();
        let name = var("SSH_NAME").or_else(|| var("NAME"));
        [user, name.unwrap_or_else(|| "default".to_owned())]
    }

    pub fn logs(&self) -> PathBuf {
        path("DOKKU_LOGS_DIR").unwrap_or_else(|| PathBuf::from(DOKKU_LOGS))
    }

    /// The directories of enabled plugins, as plugn looks them up.
    pub fn enabled_plugins(&self) -> Option<PathBuf> {
        path("PLUGIN_PATH")
            .map(|plugins| plugins.join("enabled"))
            .or_else(|| path("PLUGIN_ENABLED_PATH"))
    }

    pub fn plugin(&self) -> Option<PathBuf> {
        path("PLUGIN_AVAILABLE_PATH").map(|plugins| plugins.join("storage"))
    }

    /// Where a helper of this plugin is installed: where the plugin's `bin` leads to.
    pub(crate) fn installed(&self, helper: &str) -> Installed {
        let link = self
            .plugin()
            .and_then(|plugin| std::fs::read_link(plugin.join("bin").join(helper)).ok());
        link.and_then(|target| Installed::of_helper(&target, helper)).unwrap_or_default()
    }

    /// Where root wants the helpers.
    pub(crate) fn installation(&self) -> Result<Installed> {
        let Some(wanted) = path("DOKKU_STORAGE_HELPERS") else {
            return Ok(Installed::default());
        };
        let shown = wanted.display().to_string();
        Installed::at(wanted).ok_or_else(|| {
            refusal!("DOKKU_STORAGE_HELPERS is {shown}; name an absolute path that ends in letters, digits and dashes")
        })
    }

    /// The Docker client to run, where one was named.
    pub fn docker_bin(&self) -> Option<String> {
        var("DOCKER_BIN")
    }

    pub fn docker_host(&self) -> Option<String> {
        var("DOCKER_HOST")
    }

    /// A value of an app's configuration, from the file in which Dokku keeps it.
    pub fn app_config(&self, app: &AppName, key: &str) -> Option<String> {
        let file = self.apps_root.as_ref()?.join(app.as_str()).join("ENV");
        let text = std::fs::read_to_string(file).ok()?;
        let value = text.lines().find_map(|line| {
            let assignment = line.strip_prefix("export ").unwrap_or(line);
            assignment.strip_prefix(key)?.strip_prefix('=')
        })?;
        let value = value.trim().trim_matches(['"', '\'']);
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The variables that say where the store is, for a program of this one's that is started with no others.
    pub fn of_store(&self) -> Vec<(String, String)> {
        let names = "DOKKU_LIB_ROOT DOKKU_ROOT DOKKU_STORAGE_ROOT DOKKU_SYSTEM_USER \
            DOKKU_SYSTEM_GROUP HOME XDG_DATA_HOME";
        names.split(' ').filter_map(|name| Some((name.to_owned(), var(name)?))).collect()
    }

    /// The numbers of the descriptors of a mount and of the socket over which a serving program waits for it.
    pub fn fuse_descriptors(&self) -> Option<(i32, i32)> {
        let number = |name: &str| var(name)?.parse().ok();
        Some((number(FUSE_DESCRIPTOR)?, number("_FUSE_COMMFD")?))
    }

    /// The directories in which programs are looked for.
    pub fn search_path() -> String {
        var("PATH").unwrap_or_else(|| SEARCH_PATH.to_owned())
    }

    /// Whether every program that is run is to be shown (`--trace`).
    pub fn is_traced() -> bool {
        var("DOKKU_TRACE").is_some()
    }
}

/// What tells this deploy from any other: the `dokku` process that runs it, and all that it fires. `None` where there is no
/// such process.
pub(crate) fn deploy() -> Option<String> {
    let process = dokku()?;
    let started = start_ticks(process)?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("{process} {started} {}", boot.trim()))
}

/// What tells this machine from others, without its id (machine-id(5)), which is not for others to know; none where it has none.
pub(crate) fn machine() -> Option<String> {
    let id = std::fs::read_to_string("/etc/machine-id").ok()?;
    let id = id.trim();
    let is_one = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| hex(&Sha256::digest(format!("dokku-storage {id}"))))
}

/// The number of the `dokku` process that fires this trigger; none where there is none.
pub(crate) fn dokku() -> Option<u32> {
    var("DOKKU_PID")?.parse().ok()
}

/// When a process was started; none where it has ended.
pub(crate) fn started(process: u32) -> Option<SystemTime> {
    // What proc(5) counts is hundredths of a second since the boot, on every machine.
    let since_boot = Duration::from_millis(start_ticks(process)? * 10);
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let now = Duration::try_from(now).ok()?;
    SystemTime::now().checked_sub(now.checked_sub(since_boot)?)
}

/// When a process was started, as the kernel counts; none where it has ended.
fn start_ticks(process: u32) -> Option<u64> {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name in parentheses: the 22nd field is when it started (proc(5)).
    line.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()
}

pub fn node() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Where systemd wants to be told that a service is ready (`sd_notify(3)`).
pub(crate) fn notify_socket() -> Option<String> {
    var(NOTIFY)
}

/// Where this program is installed, if it is a helper.
pub(crate) fn own_installation() -> Option<Installed> {
    Installed::of_program(&std::fs::read_link("/proc/self/exe").ok()?)
}

/// Whether `sudo` started this process: it sets this variable in every program that it runs.
pub(crate) fn is_under_sudo() -> bool {
    var(SUDO).is_some()
}

/// A variable's value; none where it is not set, empty, or no text.
fn var(name: &str) -> Option<String> {
    path(name).and_then(|value| value.into_os_string().into_string().ok())
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn path(name: &str) -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let value = match instead() {
        None => given(name),
        Some(_) if name == SUDO => given(name),
        // It is systemd's, and not a caller's.
        Some(_) if name == NOTIFY && given(SUDO).is_none() => given(name),
        Some(instead) => {
            instead.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
        }
    };
    value.map(PathBuf::from)
}
