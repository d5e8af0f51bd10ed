//! `storage:set`: changes a property of an entry.

use super::arguments::{self, Args, no_more_than, pairs};
use crate::context::Context;
use crate::domain::{Entry, Mode, Ownership, Result, Scope, Source, hooks, is_of, quoted};
use crate::ops::places::links;
use crate::ops::update::{Follow, update};
use crate::ops::{Places, access, apps, content, usable};
use crate::storage::{EntryLock, Place, root, sized};
use crate::types;

#[derive(Debug, Args)]
struct Arguments {
    name: String,
    property: String,
    value: String,
    /// --access-mode: [DEPRECATED] use 'storage:set <name> access-mode <value>'
    access_mode: Option<String>,
    /// --annotation key=value: [DEPRECATED] use 'storage:annotations:set'
    annotation: Vec<String>,
    /// --chown: [DEPRECATED] use 'storage:set <name> chown <value>'
    chown: Option<String>,
    /// --chown-recursive: also change the owner of the files in the directory
    #[arg(help_heading = arguments::OWN)]
    chown_recursive: bool,
    /// --label key=value: [DEPRECATED] use 'storage:labels:set'
    label: Vec<String>,
    /// --mode: [DEPRECATED] use 'storage:set <name> mode <value>'
    mode: Option<String>,
    /// --namespace: [DEPRECATED] use 'storage:set <name> namespace <value>'
    namespace: Option<String>,
    /// --reclaim-policy: [DEPRECATED] use 'storage:set <name> reclaim-policy <value>'
    reclaim_policy: Option<String>,
    /// --size: [DEPRECATED] use 'storage:set <name> size <value>'
    size: Option<String>,
    /// --storage-class-name: [DEPRECATED] use 'storage:set <name> storage-class-name <value>'
    storage_class_name: Option<String>,
}

/// The properties that can be named, in order.
const PROPERTIES: [&str; 7] =
    ["access-mode", "chown", "mode", "namespace", "reclaim-policy", "size", "storage-class-name"];

/// The property that says how much an entry holds.
const SIZE: &str = "size";

/// The properties that Dokku's own plugin does not have.
const OWN_PROPERTIES: [&str; 4] = [CONTENT, "exclusive", "node", "scope"];

/// The property that is not the entry's but its file's.
const CONTENT: &str = "content";

/// The name of a host, as `hostname` shows it.
fn node(text: &str) -> Result<String> {
    let is_valid = is_of(text, "._-") && text.len() <= 255;
    refuse_if!(!is_valid, "node {text:?} is not the name of a host");
    Ok(text.to_owned())
}

fn truth(text: &str) -> Result<bool> {
    match text {
        "true" => Ok(true),
        "false" | "" => Ok(false),
        _ => Err(refusal!("exclusive is true or false, not {text:?}")),
    }
}

struct Changes {
    /// Properties and their new values; the empty value takes the property away.
    properties: Vec<(String, String)>,
    annotations: Option<Vec<String>>,
    labels: Option<Vec<String>>,
}

impl Changes {
    fn of(arguments: &Arguments) -> Result<Self> {
        let property = &arguments.property;
        let flags = [
            &arguments.access_mode,
            &arguments.chown,
            &arguments.mode,
            &arguments.namespace,
            &arguments.reclaim_policy,
            &arguments.size,
            &arguments.storage_class_name,
        ];
        let mut properties: Vec<_> = PROPERTIES
            .iter()
            .zip(flags)
            .filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)))
            .collect();
        let maps = !arguments.annotation.is_empty() || !arguments.label.is_empty();
        let by_flag = maps || !properties.is_empty();
        if !property.is_empty() && by_flag {
            refuse!("storage:set accepts either a property and a value or flags, not both");
        }
        refuse_if!(property.is_empty() && !by_flag, "No property specified");
        if !by_flag {
            properties.push((property.clone(), arguments.value.clone()));
        }
        let map = |given: &Vec<String>| (!given.is_empty()).then(|| given.clone());
        Ok(Self {
            properties,
            annotations: map(&arguments.annotation),
            labels: map(&arguments.label),
        })
    }

    fn apply(&self, entry: &mut Entry, default_path: &str) -> Result<()> {
        for (property, value) in &self.properties {
            types::of(entry).check_property(entry, property)?;
            if property == SIZE {
                must_not_be_of_plain_directory(entry, value, default_path)?;
            }
            set(entry, property, value)?;
        }
        if entry.exclusive {
            types::must_be_able_to_be_exclusive(entry)?;
        }
        for (given, values) in
            [(&self.annotations, &mut entry.annotations), (&self.labels, &mut entry.labels)]
        {
            let replacing = pairs(given.as_deref().unwrap_or_default())?;
            if !replacing.is_empty() {
                *values = replacing;
            }
        }
        if self.properties.iter().any(|(name, _)| name == "reclaim-policy") {
            types::of(entry).check_reclaim_policy(entry)?;
        }
        entry.check(default_path)?;
        if self.touch_directory() && !entry.is_typed() {
            entry.check_directory(default_path)?;
        }
        Ok(())
    }

    /// Whether the entry is to hold another size; refuses one that it cannot have.
    fn resize(&self, entry: &Entry, context: &Context) -> Result<bool> {
        let size = self.properties.iter().find(|(name, _)| name == SIZE);
        match size {
            Some((_, value)) if types::of(entry).must_be_mounted(entry) => {
                types::of(entry).may_resize(entry, sized::parse(value)?, context)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn touch_hooks(&self) -> bool {
        self.properties.iter().any(|(name, _)| hooks::PROPERTIES.contains(&name.as_str()))
    }

    /// Whether more than the entry's file is changed.
    fn touch_data(&self) -> bool {
        self.touch_directory() || self.properties.iter().any(|(name, _)| name == SIZE)
    }

    fn touch_directory(&self) -> bool {
        let touches = |name: &str| name == "chown" || name == "mode";
        self.properties.iter().any(|(name, _)| touches(name))
    }
}

fn set(entry: &mut Entry, property: &str, value: &str) -> Result<()> {
    let fixed = |current: &str| {
        if current == value {
            return Ok(());
        }
        Err(refusal!("storage:set cannot change {property} in place; recreate the entry"))
    };
    match property {
        "access-mode" => fixed(&entry.access_mode)?,
        "storage-class-name" => fixed(&entry.storage_class)?,
        // What has a size of its own was given it before.
        SIZE if types::of(entry).must_be_mounted(entry) => {
            let name = &entry.name;
            refuse_if!(
                value.is_empty(),
                "the size of storage entry \"{name}\" cannot be removed; grow it: dokku storage:set {name} size SIZE"
            );
            let size = sized::parse(value)?.to_string();
            entry.options.insert(SIZE.to_owned(), size);
        }
        SIZE => value.clone_into(&mut entry.size),
        "namespace" => value.clone_into(&mut entry.namespace),
        "reclaim-policy" => value.clone_into(&mut entry.reclaim_policy),
        "exclusive" => entry.exclusive = truth(value)?,
        "node" => entry.node = node(value)?,
        "scope" => entry.scope = Scope::parse(&[value.to_owned()])?,
        "chown" if value.is_empty() => entry.chown = None,
        "chown" => entry.chown = Some(Ownership::parse(value)?),
        "mode" if value.is_empty() => entry.mode = None,
        "mode" => entry.mode = Some(Mode::parse(value)?),
        _ if entry.backup.set(property, value)? => {}
        _ => {
            refuse!(
                "Invalid property specified, valid properties include: {}\nOf this plugin's own: {}",
                PROPERTIES.join(", "),
                [&hooks::PROPERTIES[..], &OWN_PROPERTIES[..]].concat().join(", ")
            );
        }
    }
    Ok(())
}

/// Refuses a size for a directory that was made without one, in Dokku's words, and says how to get one.
fn must_not_be_of_plain_directory(entry: &Entry, value: &str, default_path: &str) -> Result<()> {
    let Some(Source::Path(path)) = &entry.host_path else {
        return Ok(());
    };
    let is_plain = entry.is_docker_local() && !types::of(entry).must_be_mounted(entry);
    let Ok(size) = sized::parse(value) else {
        return Ok(());
    };
    let remedy = if path.as_str() == default_path {
        sized::copy_to(entry, size)
    } else {
        let from = quoted(&format!("dir:{path}"));
        format!(
            "copy the data into a new one: dokku storage:create NEW --size {size} --from {from}"
        )
    };
    refuse_if!(
        is_plain,
        "storage entry \"{}\" (docker-local) does not accept --size\n{remedy}",
        entry.name
    );
    Ok(())
}

/// Changes properties of an entry; the directory follows where its mode or owner was named, the cluster always.
pub(crate) fn run(words: &[String], context: &mut Context) -> Result<()> {
    let (arguments, rest) = arguments::parse_some::<Arguments>(words, context)?;
    let changes = Changes::of(&arguments)?;
    no_more_than(&rest, 0)?;
    let name = &*arguments.name;
    match &*arguments.property {
        "" => warn_of_flags(&changes, context),
        CONTENT => return content::set(name, &arguments.value, context),
        _ => {}
    }
    let mut entry = access::entry(name, context)?;
    let mut lock = None;
    if changes.touch_data() {
        lock = Some(EntryLock::take(name, context)?);
        entry = access::entry(name, context)?;
        usable::must_not_be_away(&entry, context)?;
    }
    let default_path = root::default_path(context, entry.name.as_str());
    let mut planned = entry.clone();
    changes.apply(&mut planned, &default_path)?;
    if changes.touch_directory() && types::of(&entry).place() == Place::File {
        usable::must_be_usable(&entry, context)?;
    }
    let wanted = if changes.touch_directory() {
        Some(types::directory_spec(&planned, arguments.chown_recursive, context)?)
    } else {
        None
    };
    if planned.scope != entry.scope {
        // Where links and volumes lead is not asked under the lock.
        Places::must_suit_scope(&planned, context)?;
        links::must_be_had_by_no_command(&entry, context)?;
    }
    let resize = changes.resize(&entry, context)?;
    // Commands run in containers of the apps that who sets them sees, also where they are set to what they are.
    let whose = if changes.touch_hooks() {
        let using = context.store.apps_mounting(&entry.name)?;
        let seen = apps::visible(&context.environment, using)?;
        Some((seen, access::sees_every_app(context)?))
    } else {
        None
    };
    let change = |entry: &mut Entry| {
        changes.apply(entry, &default_path)?;
        if let Some((apps, sees_all)) = &whose {
            entry.backup.apps.clone_from(apps);
            entry.backup.any_app = *sees_all && entry.backup.is_some();
        }
        Ok(())
    };
    update(entry.name.as_str(), change, Follow { directory: wanted.as_ref(), resize }, context)?;
    drop(lock);
    context.out.headline(&format!("Storage entry {} updated", entry.name));
    Ok(())
}

fn warn_of_flags(changes: &Changes, context: &mut Context) {
    if !changes.properties.is_empty() {
        context.out.warn(
            "Deprecated: please use 'storage:set <name> <property> [<value>]' instead of flags",
        );
    }
    if changes.annotations.is_some() || changes.labels.is_some() {
        context.out.warn(
            "Deprecated: please use 'storage:annotations:set' and 'storage:labels:set' instead of --annotation and --label",
        );
    }
}
