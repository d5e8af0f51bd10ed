//! Supervisors as services of systemd, where that runs: it starts them again, and before Docker when the host starts.

use std::path::Path;

use crate::domain::{EntryName, Installed, Result};
use crate::host::Program;
use crate::host::environment::own_installation;
use crate::privileged::root;
use crate::storage::keeping;

/// The unit of every supervisor; the entry's name stands behind the `@`.
pub(crate) const UNIT: &str = "/etc/systemd/system/dokku-storage-mount@.service";

/// Whether systemd runs this host's services (`sd_booted(3)`), and has units for this program: there is one of each on a host, for the
/// helpers in their usual place.
pub(crate) fn is_in_charge() -> bool {
    Path::new("/run/systemd/system").is_dir() && own_installation() == Some(Installed::default())
}

pub(crate) fn unit() -> String {
    format!(
        "[Unit]
Description=Storage entry %i, kept mounted
Wants=network-online.target
After=network-online.target
Before=docker.service

[Service]
Type=notify
NotifyAccess=main
ExecStart={} %i --keep
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2
TimeoutStartSec=60
KillMode=mixed

[Install]
WantedBy=multi-user.target
",
        Installed::default().helpers().join(keeping::HELPER).display()
    )
}

/// The unit that attaches the image of an entry with a size when the host starts.
pub(crate) const ATTACHING: &str = "/etc/systemd/system/dokku-storage-attach@.service";

pub(crate) fn attaching() -> String {
    format!(
        "[Unit]
Description=Storage entry %i, attached
After=local-fs.target
Before=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={} %i attach

[Install]
WantedBy=multi-user.target
",
        Installed::default().helpers().join("size-storage-dir").display()
    )
}

/// Attaches the image of an entry at every start of the host.
pub(crate) fn attach_at_boot(name: &EntryName) -> Result<()> {
    write_unit(ATTACHING, &attaching())?;
    let service = attaching_service(name);
    if Path::new("/etc/systemd/system/multi-user.target.wants").join(&service).exists() {
        return Ok(());
    }
    systemctl(&["enable", "--quiet", &service])
}

pub(crate) fn forget(name: &EntryName) -> Result<()> {
    if !Path::new(ATTACHING).exists() {
        return Ok(());
    }
    systemctl(&["disable", "--quiet", &attaching_service(name)])
}

fn attaching_service(name: &EntryName) -> String {
    format!("dokku-storage-attach@{name}.service")
}

fn write_unit(path: &str, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).ok().as_deref() == Some(text) {
        return Ok(());
    }
    root::replace(Path::new(path), text.as_bytes(), 0o644, None)?;
    systemctl(&["daemon-reload"])
}

/// Starts an entry's supervisor, now and at every start of the host.
pub(crate) fn start(name: &EntryName) -> Result<()> {
    write_unit(UNIT, &unit())?;
    systemctl(&["enable", "--quiet", &service(name)])?;
    systemctl(&["start", "--no-block", &service(name)])
}

/// Ends an entry's supervisor, now and at every start of the host.
pub(crate) fn stop(name: &EntryName) -> Result<()> {
    if !Path::new(UNIT).exists() {
        return Ok(());
    }
    systemctl(&["disable", "--quiet", "--now", &service(name)])
}

fn service(name: &EntryName) -> String {
    format!("dokku-storage-mount@{name}.service")
}

fn systemctl(words: &[&str]) -> Result<()> {
    let shown = format!("systemctl {}", words.join(" "));
    Program::new("systemctl", words).called(shown).must().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test asks systemd itself")]
    fn systemd_takes_the_units() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [("mount", unit()), ("attach", attaching())] {
            // The program is not installed where the test runs.
            let text = text.replace(&Installed::default().helpers().display().to_string(), "/bin");
            let text = text.replace(keeping::HELPER, "true").replace("size-storage-dir", "true");
            let path = directory.path().join(format!("dokku-storage-{name}@x.service"));
            std::fs::write(&path, text).unwrap();
            let verify = std::process::Command::new("systemd-analyze")
                .args(["verify", "--recursive-errors=no"])
                .arg(&path)
                .output();
            // Where there is no systemd, nobody reads the units either.
            let said = verify.map(|verify| verify.stderr).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            let about: Vec<&str> =
                said.lines().filter(|line| line.contains("dokku-storage-")).collect();
            assert!(about.is_empty(), "{about:?}");
        }
    }
}
