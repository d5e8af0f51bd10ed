//! What a configuration of rclone has to have, and must not have, where somebody gives it.

use crate::domain::{Result, Secret};

/// Keys by which rclone runs commands of the configuration's.
const COMMANDS: &[&str] = &["ssh", "bearer_token_command", "password_command"];

/// Beginnings of keys that change how rclone itself runs.
const OF_THE_PROGRAM: &[&str] = &["global.", "override."];

/// Refuses a configuration without the remote (`NAME:PATH`), an encrypted one, and one that runs commands: who may save a
/// connector need not be somebody who may do that.
pub(super) fn check(configuration: &Secret, remote: &str) -> Result<()> {
    let lines = || configuration.reveal().lines().map(str::trim);
    let name = remote.split(':').next().unwrap_or_default();
    refuse_if!(
        lines().any(|line| line.starts_with("RCLONE_ENCRYPT_")),
        "rclone's configuration is encrypted; give one that is not, it is kept where only its owner can read it"
    );
    let section = format!("[{name}]");
    refuse_if!(
        !lines().any(|line| line == section),
        "rclone's configuration has no remote {name:?}; give the part of it that begins with {section}"
    );
    for line in lines() {
        let key = line.split(['=', ':']).next().unwrap_or_default().trim().to_ascii_lowercase();
        refuse_if!(
            COMMANDS.contains(&key.as_str())
                || OF_THE_PROGRAM.iter().any(|part| key.starts_with(part)),
            "rclone's configuration has the key {key:?}, which runs a command or changes rclone itself; leave it out"
        );
        let value = line.split_once(['=', ':']).map_or("", |(_, value)| value).to_ascii_lowercase();
        let named = COMMANDS.iter().find(|command| sets(&value, command));
        refuse_if!(
            named.is_some(),
            "rclone's configuration sets {} in the value of {key:?}, which runs a command; leave it out",
            named.unwrap_or(&"")
        );
    }
    Ok(())
}

/// Whether a value has a remote of its own (`:webdav,bearer_token_command=x:`) that sets a key.
fn sets(value: &str, key: &str) -> bool {
    value.match_indices(key).any(|(at, _)| {
        let is_begin = value[..at].ends_with([',', ' ', '"', '\'', '_']) || at == 0;
        let rest = value[at + key.len()..].trim_start();
        is_begin && rest.starts_with(['=', ':'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_has_the_remote_and_runs_nothing() {
        let is_fine = |text: &str| check(&Secret::parse_text(text).unwrap(), "box:backups").is_ok();
        assert!(is_fine(
            "# mine\n[other]\ntype = s3\n\n[box]\ntype = sftp\npass = x\nkey_file = /k\n"
        ));
        for bad in [
            "[other]\ntype = local\n",
            "[box]\ntype = sftp\nssh = touch /tmp/x\n",
            "[box]\ntype = webdav\n BEARER_TOKEN_COMMAND=touch /tmp/x\n",
            "[box]\ntype = local\nglobal.password_command = x\n",
            "[box]\ntype = local\noverride.config = x\n",
            "RCLONE_ENCRYPT_V0:\nabc\n[box]\n",
            "[box]\ntype = alias\nremote = :webdav,url=\"http://x/\",bearer_token_command=\"touch /tmp/x\":/y\n",
            "[box]\ntype = union\nupstreams = :local: :sftp,host=h,ssh='touch /tmp/x':/\n",
        ] {
            assert!(!is_fine(bad), "{bad}");
        }
    }
}
