//! What the options of a Docker volume lead to: a path of the host, a device, a server, or nobody knows what.

use crate::domain::{Options, Remote};

/// The driver that Docker has itself.
pub const LOCAL: &str = "local";

/// The flags of a mount that lead nowhere (moby's `mount` package); `remount` is not among them.
const FLAGS: &str = "async atime bind defaults dev diratime dirsync exec mand noatime nodev nodiratime noexec \
    nomand norelatime nostrictatime nosuid private rbind relatime ro rprivate rshared rslave \
    runbindable rw shared slave strictatime suid sync unbindable";

/// The values that a tmpfs takes (tmpfs(5)).
const TMPFS: [&str; 8] = ["size", "mode", "uid", "gid", "nr_blocks", "nr_inodes", "mpol", "huge"];

/// What a volume's driver and options lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeTarget {
    /// The path of the host that is mounted in the volume's place, where that is all there is to it.
    pub bind: Option<String>,
    /// All paths of the host that are named: also devices, and the directories of an overlay.
    pub paths: Vec<String>,
    /// What of it nobody can judge: a driver, a type of file system, an option.
    pub unknown: Option<String>,
    /// What of a server is mounted, by each name of that.
    pub remotes: Vec<Remote>,
    /// Whether there is more to it than a directory that Docker keeps.
    pub has_options: bool,
}

impl VolumeTarget {
    /// Looks at a driver and its options. What the engine did not say is nothing.
    pub fn of(driver: &str, options: &Options) -> Self {
        if !["", LOCAL].contains(&driver) {
            let paths = options.values().flat_map(|value| paths_in(value)).collect();
            return Self {
                paths,
                unknown: Some(format!("the volume driver {driver}")),
                has_options: true,
                ..Self::default()
            };
        }
        let option = |key: &str| options.get(key).map_or("", String::as_str);
        let (kind, device) = (option("type").trim(), option("device"));
        let flags: Vec<&str> = option("o").split(',').map(str::trim).collect();
        let is_bind = flags.iter().any(|flag| ["bind", "rbind"].contains(flag));
        let is_flag = |text: &&str| text.is_empty() || FLAGS.split(' ').any(|flag| flag == *text);
        let key = |text: &str| text.split('=').next().unwrap_or_default().to_owned();
        let known = ["type", "device", "o", "size"];
        let mut target = Self {
            has_options: options.iter().any(|(key, value)| key != "size" && !value.is_empty()),
            remotes: if is_bind { Vec::new() } else { Remote::of_options(kind, device, &flags) },
            ..Self::default()
        };
        let odd = options.keys().find(|key| !known.contains(&key.as_str()));
        target.unknown = if let Some(odd) = odd {
            Some(format!("the option {odd}"))
        } else if is_bind {
            let odd = flags.iter().find(|flag| !is_flag(flag));
            match odd {
                Some(odd) => Some(format!("the option {}", key(odd))),
                // The kernel takes `..` for what is above where a link leads, and Docker hands it on.
                None if device.starts_with('/') && !device.split('/').any(|part| part == "..") => {
                    target.bind = Some(device.to_owned());
                    None
                }
                None => Some(format!("the device {device:?}")),
            }
        } else {
            let is_plain = |flag: &&str| is_flag(flag) || !flag.contains('/');
            match kind {
                "" if device.is_empty() && flags.iter().all(|flag| flag.is_empty()) => None,
                "tmpfs" => {
                    let is_known = |flag: &&&str| is_flag(flag) || TMPFS.contains(&&*key(flag));
                    let odd = flags.iter().find(|flag| !is_known(flag));
                    odd.map(|odd| format!("the option {}", key(odd)))
                }
                "nfs" | "nfs3" | "nfs4"
                    if !device.starts_with('/') && flags.iter().all(is_plain) =>
                {
                    None
                }
                // A password may have any sign in it; no option of the kernel's names a path.
                // Docker reads it as an address: what is encoded in it, and who logs in, are not what is mounted.
                "cifs" | "smb3"
                    if device.starts_with("//") && !device.contains(['%', '@', '?', '#', '\\']) =>
                {
                    let names_source = |flag: &&str| key(flag) == "source";
                    flags.iter().any(names_source).then(|| "the option source".to_owned())
                }
                kind => Some(format!("the type {kind:?}")),
            }
        };
        target.paths = match (&target.bind, &target.unknown) {
            (Some(bind), _) => vec![bind.clone()],
            (None, None) => Vec::new(),
            (None, Some(_)) => options.values().flat_map(|value| paths_in(value)).collect(),
        };
        target
    }
}

/// The paths in an option's value: what begins with a slash, after an equals sign or between colons too.
fn paths_in(value: &str) -> Vec<String> {
    let parts = value.split(',').flat_map(|part| {
        let value = part.split_once('=').map_or(part, |(_, value)| value);
        value.split(':')
    });
    parts.filter(|part| part.starts_with('/')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &[(&str, &str)]) -> VolumeTarget {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        VolumeTarget::of(LOCAL, &options.collect())
    }

    #[test]
    fn a_bind_leads_to_its_device_whatever_its_type_is() {
        for kind in ["none", "tmpfs", "ext4", "nfs", ""] {
            for flags in ["bind", "rbind,ro", "ro,bind", " bind"] {
                let target = of(&[("type", kind), ("o", flags), ("device", "/srv/a")]);
                assert_eq!(target.bind.as_deref(), Some("/srv/a"), "{kind} {flags}");
                assert_eq!((target.paths, target.unknown), (vec!["/srv/a".to_owned()], None));
            }
        }
    }

    #[test]
    fn an_address_that_docker_reads_otherwise_is_not_known() {
        for device in ["//nas/%61", "//u@nas/a", "//u:p@nas/a", "//nas/x%2f..%2fa", "//nas/a?b"] {
            let target = of(&[("type", "cifs"), ("device", device), ("o", "username=a")]);
            assert!(target.unknown.is_some(), "{device}");
        }
    }

    #[test]
    fn what_leads_nowhere_on_the_host_is_known() {
        let tmpfs = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,uid=5,nosuid")];
        let nfs = [("type", "nfs"), ("device", ":/srv"), ("o", "addr=1.2.3.4,nfsvers=4,rw")];
        let cifs =
            [("type", "cifs"), ("device", "//nas/a"), ("o", "username=a,password=/x/,vers=3.0")];
        for options in [&[][..], &[("size", "1G")], &tmpfs, &nfs, &cifs] {
            let target = of(options);
            assert_eq!((&target.unknown, &target.paths), (&None, &Vec::new()), "{options:?}");
        }
        assert!(!of(&[]).has_options && of(&tmpfs).has_options);
    }

    #[test]
    fn what_may_lead_anywhere_is_not_known_and_its_paths_are() {
        for (options, paths) in [
            (&[("type", "ext4"), ("device", "/dev/vda")][..], &["/dev/vda"][..]),
            (
                &[
                    ("type", "overlay"),
                    ("device", "overlay"),
                    ("o", "lowerdir=/etc:/usr,upperdir=/u,workdir=/w"),
                ],
                &["/etc", "/usr", "/u", "/w"],
            ),
            (&[("type", "none"), ("o", "bind"), ("device", "relative")], &[]),
            (&[("type", "none"), ("o", "bind,remount"), ("device", "/a")], &["/a"]),
            (&[("type", "nfs"), ("device", "/dev/vda"), ("o", "addr=1.2.3.4")], &["/dev/vda"]),
            (&[("type", "nfs"), ("device", ":/a"), ("o", "addr=1.2.3.4,x=/etc")], &["/a", "/etc"]),
            (&[("type", "proc"), ("device", "proc")], &[]),
            (&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "source=/dev/vda")], &["/dev/vda"]),
            (&[("device", "/a")], &["/a"]),
            (&[("o", "bind"), ("device", "/a/../b")], &["/a/../b"]),
        ] {
            let target = of(options);
            assert!(target.unknown.is_some() && target.bind.is_none(), "{options:?}: {target:?}");
            for path in paths {
                assert!(target.paths.iter().any(|found| found == path), "{options:?}: {target:?}");
            }
        }
        let options = [("mountpoint".to_owned(), "/etc".to_owned())].into();
        let target = VolumeTarget::of("local-persist", &options);
        assert_eq!(target.paths, ["/etc"]);
        assert!(target.unknown.is_some());
    }
}
