//! Colon mounts: `host:container[:options]`, the way Docker writes them.

use crate::domain::{
    Attachment, ContainerPath, Entry, Error, HostPath, Result, Source, VolumeName, VolumeOptions,
    as_typed,
};

const BAD_PATHS: &str = "Storage path must be two valid paths divided by colon.";
const BAD_VOLUME: &str = "Volume name must be two characters or more. Volume name must not contain invalid characters. Storage path must be two valid paths divided by colon.";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountString {
    pub source: Source,
    pub container_path: ContainerPath,
    /// Whether `ro` was among the options.
    pub readonly: bool,
    pub options: Option<VolumeOptions>,
}

impl MountString {
    /// Takes a colon mount apart, as it may stand in a file.
    pub fn parse(text: &str) -> Result<Self> {
        let is_path = text.starts_with('/');
        let wrong_form = || Error::refused(if is_path { BAD_PATHS } else { BAD_VOLUME });
        let (host, rest) = text.split_once(':').ok_or_else(wrong_form)?;
        if !rest.starts_with('/') {
            return Err(wrong_form());
        }
        let source = if is_path {
            Source::Path(HostPath::parse(host)?)
        } else {
            Source::Volume(VolumeName::parse(host).map_err(|_| wrong_form())?)
        };
        let (container, options) = rest.split_once(':').unwrap_or((rest, ""));
        let container_path = ContainerPath::parse(container)?;
        let readonly = options.split(',').any(|option| option == "ro");
        let others: Vec<&str> = options.split(',').filter(|o| *o != "ro").collect();
        let others = others.join(",");
        let options = if others.is_empty() { None } else { Some(VolumeOptions::parse(&others)?) };
        Ok(Self { source, container_path, readonly, options })
    }

    /// Takes a colon mount apart that somebody typed for a new mount.
    pub fn parse_typed(text: &str) -> Result<Self> {
        let mount = Self::parse(text)?;
        refuse_if!(
            text.ends_with(':'),
            "{text:?} ends in a colon, which Docker refuses; leave it out, or write options such as ro behind it"
        );
        as_typed("host path", mount.source.as_str())?;
        as_typed("container path", mount.container_path.as_str())?;
        Ok(mount)
    }

    /// The entry that stands for the source, and the attachment to it.
    pub fn into_entry_and_attachment(self) -> (Entry, Attachment) {
        let entry = Entry::legacy(self.source);
        let mut attachment = Attachment::new(entry.name.clone(), self.container_path);
        attachment.readonly = self.readonly;
        attachment.volume_options = self.options;
        (entry, attachment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_apart() {
        let mount = MountString::parse("/srv/b:/b:ro,Z").unwrap();
        assert!(mount.readonly);
        assert_eq!(mount.options.unwrap().as_str(), "Z");
        let mount = MountString::parse("some_volume:/b:").unwrap();
        assert_eq!((mount.readonly, mount.options), (false, None));
    }

    #[test]
    fn dokkus_sentences_for_wrong_forms() {
        let sentence = |text: &str| MountString::parse(text).unwrap_err().to_string();
        for text in ["/srv/a:b", "/srv/a"] {
            assert_eq!(sentence(text), BAD_PATHS, "{text}");
        }
        for text in ["a:/x", ":/x", "-bad:/x", "vol_ume:x", "a b:/x"] {
            assert_eq!(sentence(text), BAD_VOLUME, "{text}");
        }
    }

    #[test]
    fn nothing_rides_along() {
        for text in [
            "/tmp:/x --privileged",
            "/tmp --privileged:/x",
            "/tmp:/x:ro --pid=host",
            "/tmp:/x:ro,--pid=host",
            "/tmp:/x\n--privileged",
            "/tmp:/x:/y",
            "/tmp:/../x",
        ] {
            assert!(MountString::parse_typed(text).is_err(), "{text:?}");
        }
        assert!(MountString::parse_typed("/my data:/it's").is_ok());
    }
}
