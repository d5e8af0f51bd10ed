//! A mount of a set: `SOURCE:CONTAINER-DIR[:OPTIONS]`, where the source is an entry or a host path, and the options say what flags
//! say of a single mount.

use crate::domain::{
    Attachment, ContainerPath, Ownership, Phase, Phases, Result, Subpath, VolumeOptions, as_typed,
};

/// How something is mounted, as far as it is said.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MountSettings {
    pub phases: Vec<Phase>,
    pub subpath: Option<Subpath>,
    pub readonly: bool,
    pub writable: bool,
    pub volume_options: Option<VolumeOptions>,
    pub volume_chown: Option<Ownership>,
}

impl MountSettings {
    /// Both together; refuses what both say.
    pub fn with_flags(mut self, flags: Self) -> Result<Self> {
        if self.volume_options.is_some() && flags.volume_options.is_some() {
            refuse!("options were given both behind the second colon and with --volume-options");
        }
        let twice = [
            ("phase", !self.phases.is_empty() && !flags.phases.is_empty()),
            ("volume-subpath", self.subpath.is_some() && flags.subpath.is_some()),
            ("volume-chown", self.volume_chown.is_some() && flags.volume_chown.is_some()),
        ];
        if let Some((key, _)) = twice.iter().find(|(_, is_twice)| *is_twice) {
            refuse!("{key} was given both behind the second colon and with --{key}");
        }
        if self.writable && flags.readonly {
            refuse!("the volume option rw and --volume-readonly contradict each other");
        }
        self.phases.extend(flags.phases);
        self.subpath = self.subpath.or(flags.subpath);
        self.readonly |= flags.readonly;
        self.volume_options = self.volume_options.or(flags.volume_options);
        self.volume_chown = self.volume_chown.or(flags.volume_chown);
        Ok(self)
    }

    pub fn apply(self, attachment: &mut Attachment) -> Result<()> {
        attachment.phases = Phases::or_default(self.phases);
        attachment.subpath = self.subpath;
        attachment.readonly = self.readonly;
        attachment.volume_options = self.volume_options;
        attachment.volume_chown = self.volume_chown;
        attachment.check()
    }

    fn parse(options: &str) -> Result<Self> {
        let mut settings = Self::default();
        let mut others: Vec<&str> = Vec::new();
        for option in options.split(',') {
            match option.split_once('=') {
                None if option == "ro" => settings.readonly = true,
                None if option == "rw" => settings.writable = true,
                None | Some(("", _)) => others.push(option),
                Some((key, value)) => settings.set(key, value)?,
            }
        }
        if settings.readonly && settings.writable {
            refuse!("it sets both ro and rw; give one of them");
        }
        if !others.is_empty() {
            settings.volume_options = Some(VolumeOptions::parse(&others.join(","))?);
        }
        // Two phases are always in one order, so that two ways to write them are one mount.
        settings.phases.sort_unstable();
        Ok(settings)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let is_again = match key {
            "phase" => self.phases.iter().any(|phase| phase.as_str() == value),
            "volume-subpath" => self.subpath.is_some(),
            "volume-chown" => self.volume_chown.is_some(),
            _ => refuse!(
                "unknown key {key:?}; the keys are phase, volume-chown and volume-subpath, and other options are words such as ro or Z"
            ),
        };
        refuse_if!(value.is_empty(), "empty value for {key}; write {key}=VALUE, or leave it out");
        refuse_if!(is_again, "{key}={value} is given more than once, or beside another {key}");
        match key {
            "phase" => self.phases.push(Phase::parse(value)?),
            "volume-subpath" => {
                as_typed("subpath", value)?;
                self.subpath = Some(Subpath::parse(value)?);
            }
            _ => self.volume_chown = Some(Ownership::parse_for_mount(value)?),
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// The name of an entry, or a host path, which begins with a slash.
    pub source: String,
    pub container_path: ContainerPath,
    pub settings: MountSettings,
}

impl MountSpec {
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = text.splitn(3, ':');
        let (Some(source), Some(path)) = (parts.next(), parts.next()) else {
            refuse!("Invalid mount specified; write ENTRY:CONTAINER-DIR or HOST-DIR:CONTAINER-DIR");
        };
        if source.is_empty() || path.is_empty() {
            refuse!("Invalid mount specified; write ENTRY:CONTAINER-DIR or HOST-DIR:CONTAINER-DIR");
        }
        as_typed("container path", path)?;
        let settings = parts.next().filter(|options| !options.is_empty());
        Ok(Self {
            source: source.to_owned(),
            container_path: ContainerPath::parse(path)?,
            settings: settings.map(MountSettings::parse).transpose()?.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EntryName;

    #[test]
    fn options_say_what_flags_say() {
        let text = "data:/app/storage:Z,phase=run,volume-subpath=up,phase=deploy,volume-chown=herokuish,ro";
        let spec = MountSpec::parse(text).unwrap();
        let mut attachment =
            Attachment::new(EntryName::parse("data").unwrap(), spec.container_path.clone());
        spec.settings.apply(&mut attachment).unwrap();
        assert_eq!(
            serde_json::to_string(&attachment).unwrap(),
            r#"{"entry_name":"data","container_path":"/app/storage","phases":["deploy","run"],"process_type":"_default_","subpath":"up","readonly":true,"volume_options":"Z","volume_chown":"herokuish"}"#
        );
        let plain = MountSpec::parse("data:/a:").unwrap();
        assert_eq!(plain.settings, MountSettings::default());
        let writable = MountSpec::parse("data:/a:rw").unwrap().settings;
        assert!(writable.writable && writable.volume_options.is_none());
    }

    #[test]
    fn what_is_said_twice_or_not_known_is_refused() {
        for (options, reason) in [
            ("volume-subpth=up", "unknown key"),
            ("volume-subpath=", "empty value"),
            ("volume-subpath=a,volume-subpath=b", "more than once"),
            ("phase=run,phase=run", "more than once"),
            ("phase=stop", "not supported"),
            ("ro,rw", "both ro and rw"),
            ("Z,", "not supported"),
            ("volume-chown=bogus", "Unsupported chown permissions"),
            ("volume-subpath=../x", "subpath"),
        ] {
            let error = MountSpec::parse(&format!("data:/a:{options}")).unwrap_err().to_string();
            assert!(error.contains(reason), "{options}: {error}");
        }
        for text in ["data", ":/a", "data:", "data:a", ""] {
            assert!(MountSpec::parse(text).is_err(), "{text:?}");
        }
    }
}
