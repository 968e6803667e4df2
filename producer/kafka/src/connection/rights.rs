//! What a user may do, and how it is said that they may not.

use std::fmt;

use thiserror::Error;

/// What may be done, by Kafka's name of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// See that it is there.
    Describe,
    /// Read records; of a group: be a member.
    Read,
    /// Write records; of a transactional id: have transactions under it.
    Write,
    /// Make it.
    Create,
    /// See its settings.
    DescribeConfigs,
    /// Change its settings.
    AlterConfigs,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What it may be done with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A topic, by its full name.
    Topic(String),
    /// A consumer group.
    Group(String),
    /// The name under which transactions are had.
    TransactionalId(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "the topic {name}"),
            Self::Group(name) => write!(f, "the group {name}"),
            Self::TransactionalId(name) => write!(f, "the transactional id {name}"),
        }
    }
}

/// A right that a program needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// What is done.
    pub operation: Operation,
    /// With what.
    pub resource: Resource,
}

impl Right {
    /// To do something with a topic.
    #[must_use]
    pub fn on_topic(operation: Operation, name: impl Into<String>) -> Self {
        Self { operation, resource: Resource::Topic(name.into()) }
    }

    /// The options of Kafka's own tool that give it.
    fn options(&self) -> String {
        let (option, name) = match &self.resource {
            Resource::Topic(name) => ("--topic", name),
            Resource::Group(name) => ("--group", name),
            Resource::TransactionalId(name) => ("--transactional-id", name),
        };
        format!("--operation {} {option} {name}", self.operation)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.operation, self.resource)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", self.text())]
pub struct MissingRights {
    /// The user's name, if the connection has one.
    pub user: Option<String>,
    /// What is missing.
    pub rights: Vec<Right>,
}

impl MissingRights {
    fn text(&self) -> String {
        let user = self.user.as_deref();
        let principal = user.map_or_else(|| "User:NAME".to_owned(), |name| format!("User:{name}"));
        let missing: Vec<String> = self.rights.iter().map(Right::to_string).collect();
        let commands: Vec<String> = self
            .rights
            .iter()
            .map(|right| {
                format!(
                    "`kafka-acls --bootstrap-server … --add --allow-principal {principal} {}`",
                    right.options()
                )
            })
            .collect();
        format!(
            "the Kafka user{} lacks the right to {}: who administers the cluster gives it with {} \
             (consumer/docs/rights.md lists what each program needs)",
            user.map(|name| format!(" {name}")).unwrap_or_default(),
            missing.join(", "),
            commands.join(" and ")
        )
    }
}
