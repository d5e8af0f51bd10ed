//! What of a server is mounted: an export of NFS, or a share of Windows or Samba. Two names of one server are not known to be the same.

/// A directory of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    protocol: Protocol,
    /// The name or the address, as it is compared.
    server: String,
    path: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Nfs,
    Cifs,
}

impl Remote {
    pub fn nfs(server: &str, path: &str) -> Self {
        Self { protocol: Protocol::Nfs, server: name(server), path: parts(path) }
    }

    /// A share, with a path in it where only that is mounted. Neither knows cases.
    pub fn cifs(server: &str, share: &str) -> Self {
        let share = share.replace('\\', "/").to_lowercase();
        Self { protocol: Protocol::Cifs, server: name(server), path: parts(&share) }
    }

    /// What the options of a volume lead to that Docker's `local` driver mounts: by each name of the server that they have.
    pub(crate) fn of_options(kind: &str, device: &str, flags: &[&str]) -> Vec<Self> {
        let key = |flag: &str| flag.split('=').next().unwrap_or_default().trim().to_lowercase();
        let values = |wanted: &'static [&str]| {
            let flags = flags.iter().filter(move |flag| wanted.contains(&&*key(flag)));
            flags.filter_map(|flag| flag.split_once('=')).map(|(_, value)| value)
        };
        let addresses = values(&["addr", "ip"]);
        match kind {
            "nfs" | "nfs3" | "nfs4" => {
                let (hosts, path) = exported(device);
                // Some list several; the kernel takes the first.
                let hosts = addresses.chain(hosts.split(',')).filter(|host| !host.is_empty());
                hosts.map(|host| Self::nfs(host, path)).collect()
            }
            "cifs" | "smb3" => {
                let device = device.replace('\\', "/");
                let (host, share) =
                    device.trim_start_matches('/').split_once('/').unwrap_or_default();
                // Another option can put a path in its place: it is all of the share then.
                let share = match values(&["prefixpath"]).next() {
                    Some(_) => share.split('/').next().unwrap_or_default(),
                    None => share,
                };
                let hosts = addresses.chain([host]).filter(|host| !host.is_empty());
                hosts.map(|host| Self::cifs(host, share)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether it is the other, or lies in it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        (self.protocol, &self.server) == (other.protocol, &other.server)
            && self.path.starts_with(&other.path)
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.is_within(other) || other.is_within(self)
    }
}

/// The server and the path of a device of NFS, as the kernel takes it apart (`nfs_parse_devname`): at the first colon, or at the one
/// after an address in brackets. The path need not begin with a slash.
fn exported(device: &str) -> (&str, &str) {
    match device.strip_prefix('[').and_then(|address| address.split_once(']')) {
        Some((address, path)) => (address, path.strip_prefix(':').unwrap_or(path)),
        None => device.split_once(':').unwrap_or(("", device)),
    }
}

/// Whether one of some is, holds or lies in one of others.
pub(crate) fn overlap(ours: &[Remote], theirs: &[Remote]) -> bool {
    ours.iter().any(|ours| theirs.iter().any(|theirs| ours.overlaps(theirs)))
}

fn name(server: &str) -> String {
    let server = server.trim().trim_start_matches('[').trim_end_matches(']');
    let server = server.trim_end_matches('.').to_lowercase();
    let address: Option<std::net::IpAddr> = server.parse().ok();
    address.map_or(server, |address| address.to_string())
}

/// The names of a path, without what means nothing in it.
fn parts(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part.to_owned()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_is_known_however_it_is_written() {
        let alice = Remote::nfs("nas", "/alice");
        for (server, path) in [
            ("NAS.", "/alice/"),
            ("nas", "//x/..//./alice"),
            ("nas", "/"),
            ("nas", "/alice/photos"),
        ] {
            assert!(Remote::nfs(server, path).overlaps(&alice), "{server} {path}");
        }
        for (server, path) in [("nas", "/alicia"), ("nas", "/bob"), ("nas2", "/alice")] {
            assert!(!Remote::nfs(server, path).overlaps(&alice), "{server} {path}");
        }
        assert!(!Remote::cifs("nas", "alice").overlaps(&alice));
        assert!(Remote::cifs("nas", "Media/Films").overlaps(&Remote::cifs("NAS", "media")));
        assert!(Remote::nfs("[FE80::1]", "/a").overlaps(&Remote::nfs("fe80:0::1", "/a")));
    }

    #[test]
    fn the_options_of_a_volume_name_it() {
        let alice = [Remote::nfs("nas", "/alice")];
        let nfs = |device, flags: &[&str]| Remote::of_options("nfs4", device, flags);
        assert!(overlap(&nfs(":/alice", &["rw", "addr=nas"]), &alice));
        assert!(overlap(&nfs("nas:/", &["addr=10.0.0.1"]), &alice));
        for device in
            [":alice", "x:alice", ":.", ":", "nas:alice", "alice", "x:/y/../alice", "a,nas:/alice"]
        {
            assert!(overlap(&nfs(device, &["addr=nas"]), &alice), "{device}");
        }
        assert!(overlap(&nfs("[fe80::1]:alice", &[]), &[Remote::nfs("fe80::1", "/alice")]));
        assert!(!overlap(&nfs(":/bob", &["addr=nas"]), &alice));
        let media = [Remote::cifs("nas", "media/films")];
        let cifs = |device, flags: &[&str]| Remote::of_options("cifs", device, flags);
        assert!(overlap(&cifs("//NAS/media", &["username=a"]), &media));
        assert!(overlap(&cifs("\\\\x\\media\\films", &["ip=nas"]), &media));
        assert!(overlap(&cifs("//nas/media/music", &["prefixpath=films"]), &media));
        assert!(!overlap(&cifs("//nas/media/music", &["username=a"]), &media));
        assert!(Remote::of_options("tmpfs", "tmpfs", &["addr=nas"]).is_empty());
    }
}
