//! Names, paths, entries and attachments: what they are and which values they can have. No I/O.

#[macro_use]
pub mod error;

pub mod app_image;
pub mod app_settings;
pub mod attachment;
pub mod auto_volume;
pub mod backup;
pub mod backup_document;
pub mod backup_reference;
pub(crate) mod bucket;
pub mod connector;
pub mod connector_type;
pub mod docker_args;
pub mod docker_options;
pub mod entry;
pub mod expression;
pub mod finding;
pub mod hooks;
pub(crate) mod layout;
pub mod mode;
pub mod moment;
pub mod mount_spec;
pub mod mount_string;
pub mod names;
pub mod needs;
pub mod options;
pub mod ownership;
pub mod paths;
pub mod phases;
pub mod ping;
pub(crate) mod plain;
pub mod policy;
pub(crate) mod rclone_configuration;
pub mod recipe;
pub mod remote;
pub mod retention;
pub mod schedule;
pub mod schedule_words;
pub mod scope;
pub mod secret;
pub mod size;
pub mod snapshot;
pub mod source;
pub mod text;
pub mod trash;
pub mod uses;
pub mod volume_options;
pub mod volume_target;
pub mod web;

pub(crate) use app_image::{CheckedMounts, Content, ImageFacts, User};
pub(crate) use app_settings::{AppSettings, CloneMode, MissingSource, Share, UnwritableSource};
pub(crate) use attachment::Attachment;
pub(crate) use auto_volume::{AutoVolume, entry_name_of};
pub(crate) use backup::{BackupNotes, BackupState, RepositoryState};
pub(crate) use backup_document::BackupDocument;
pub(crate) use backup_reference::BackupReference;
pub(crate) use connector::Connector;
pub(crate) use docker_args::{mounted_source, quoted, volume_argument};
pub(crate) use docker_options::{FlagMount, RunsAs};
pub(crate) use entry::{DOCKER_LOCAL, Entry, K3S, SCHEMA_VERSION, only_on_default_path};
pub(crate) use error::{Error, Result};
pub(crate) use expression::{Expression, Zone};
pub(crate) use finding::{Finding, Problem, Severity};
pub(crate) use hooks::Hooks;
pub(crate) use layout::{INSTALL_AGAIN, Installed, LEFT_OVER, LOST_AND_FOUND, Layout};
pub(crate) use mode::Mode;
pub(crate) use moment::Moment;
pub(crate) use mount_spec::{MountSettings, MountSpec};
pub(crate) use mount_string::MountString;
pub(crate) use names::{
    AppName, ConnectorName, DirectoryName, EntryName, ProcessType, STAGED, VolumeName,
};
pub(crate) use needs::{Need, NeedId};
pub(crate) use options::Options;
pub(crate) use ownership::Ownership;
pub(crate) use paths::{ContainerPath, HostPath, Source, Subpath, as_typed};
pub(crate) use phases::{Phase, Phases};
pub(crate) use ping::{Ping, PingAddress};
pub(crate) use policy::Policy;
pub(crate) use remote::Remote;
pub(crate) use retention::Keep;
pub(crate) use schedule::{Schedule, Subject};
pub(crate) use scope::Scope;
pub(crate) use secret::{KnownHosts, Secret};
pub(crate) use size::{ByteSize, readable};
pub(crate) use snapshot::{
    Made, SNAPSHOT, Snapshot, SnapshotName, directory_name, of_directory_name,
};
pub(crate) use text::{Unknown, given, is_of, number_of, or_empty};
pub(crate) use trash::{Caller, LONGEST_NAME, TRASH, TrashId, Trashed};
pub(crate) use uses::{Use, Whose};
pub(crate) use volume_options::{Fault, VolumeOptions};
pub(crate) use volume_target::VolumeTarget;
pub(crate) use web::{GitReference, Sha256, WebAddress};
