//! What this connection's user may do, as the brokers themselves say it, and which right is missing.
//!
//! A broker lets a client know what it may do with each topic that it may see (KIP-430). So a program
//! asks before it does anything, and names every right that is missing at once, with the command that
//! gives it, where Kafka's own errors come one by one and name no operation.

use std::ffi::{CStr, CString};
use std::time::Duration;

use laju_schemas::topic::Topic;
use rdkafka::bindings as sys;
use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use sys::rd_kafka_AclOperation_t as AclOperation;

use super::Connection;
use super::check::BrokerEvents;
use super::error::ConnectionError;
use super::rights::{MissingRights, Operation, Resource, Right};

impl Connection {
    /// This connection's user lacks these.
    #[must_use]
    pub fn lacks(&self, rights: Vec<Right>) -> MissingRights {
        let name = |property: &&super::KafkaProperty| property.key() == "sasl.username";
        let user = self.kafka_properties.iter().find(name);
        MissingRights { user: user.map(|user| user.value().to_owned()), rights }
    }

    /// As [`Connection::require`], for topics of the contract.
    ///
    /// # Errors
    /// As there.
    pub fn require_on(
        &self,
        needs: &[(Operation, &Topic)],
        timeout: Duration,
    ) -> Result<(), ConnectionError> {
        let right = |(operation, topic): &(Operation, &Topic)| {
            Right::on_topic(*operation, self.topic(topic))
        };
        self.require(&needs.iter().map(right).collect::<Vec<_>>(), timeout)
    }

    /// Asks the brokers whether this connection's user may do all of this. A connection that names no
    /// user is not asked about, and of groups and transactional ids brokers do not tell. What cannot be told (the brokers are old, or do not answer in time)
    /// is left to those who do it: they fail with an error of their own.
    ///
    /// # Errors
    /// If a right is missing, all of those; or the connection's options are wrong.
    pub fn require(&self, rights: &[Right], timeout: Duration) -> Result<(), ConnectionError> {
        let config = self.client_config()?;
        let protocol = config.get("security.protocol").unwrap_or_default().to_ascii_lowercase();
        if !protocol.starts_with("sasl") && protocol != "ssl" {
            return Ok(());
        }
        let client = BaseConsumer::from_config_and_context(&config, BrokerEvents::quiet())
            .map_err(|error| ConnectionError::refused(&error))?;
        let mut names: Vec<&str> = rights.iter().filter_map(topic_of).collect();
        names.sort_unstable();
        names.dedup();
        let topics = authorized(client.client(), &names, timeout).unwrap_or_default();
        let missing: Vec<Right> = rights
            .iter()
            .filter(|right| {
                let topic = topic_of(right).and_then(|name| topics.iter().find(|t| t.name == name));
                topic.is_some_and(|topic| !topic.allows(right.operation))
            })
            .cloned()
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(self.lacks(missing).into()) }
    }
}

fn topic_of(right: &Right) -> Option<&str> {
    match &right.resource {
        Resource::Topic(name) => Some(name),
        _ => None,
    }
}

/// What a user may do with a topic.
struct Authorized {
    name: String,
    /// `None`: it is not there, or the broker does not say.
    operations: Option<Vec<AclOperation>>,
}

impl Authorized {
    fn allows(&self, operation: Operation) -> bool {
        let wanted = match operation {
            Operation::Describe => AclOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE,
            Operation::Read => AclOperation::RD_KAFKA_ACL_OPERATION_READ,
            Operation::Write => AclOperation::RD_KAFKA_ACL_OPERATION_WRITE,
            Operation::Create => AclOperation::RD_KAFKA_ACL_OPERATION_CREATE,
            Operation::DescribeConfigs => AclOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS,
            Operation::AlterConfigs => AclOperation::RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS,
        };
        self.operations.as_ref().is_none_or(|operations| operations.contains(&wanted))
    }
}

/// What the brokers say of each topic; `None` if they do not answer.
#[allow(unsafe_code, reason = "the safe interface does not have this call")]
fn authorized<C: ClientContext>(
    client: &rdkafka::client::Client<C>,
    topics: &[&str],
    timeout: Duration,
) -> Option<Vec<Authorized>> {
    let names: Vec<CString> =
        topics.iter().map(|name| CString::new(*name)).collect::<Result<_, _>>().ok()?;
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: every handle is made here and destroyed here, once, in the reverse order, and before
    // the client, which is borrowed. The collection copies the names. What the event and its result
    // point to lives until the event is destroyed, and everything of it is copied before. Lists
    // have as many elements as the call says that has answered them.
    unsafe {
        let rk = client.native_ptr();
        let collection =
            sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options = sys::rd_kafka_AdminOptions_new(
            rk,
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        );
        let refused = sys::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
        if !refused.is_null() {
            sys::rd_kafka_error_destroy(refused);
        }
        let mut why = [0; 256];
        sys::rd_kafka_AdminOptions_set_request_timeout(
            options,
            timeout,
            why.as_mut_ptr(),
            why.len(),
        );
        let queue = sys::rd_kafka_queue_new(rk);
        sys::rd_kafka_DescribeTopics(rk, collection, options, queue);
        let event = sys::rd_kafka_queue_poll(queue, timeout);
        let answer = described(event);
        if !event.is_null() {
            sys::rd_kafka_event_destroy(event);
        }
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_TopicCollection_destroy(collection);
        answer
    }
}

/// # Safety
/// The event is null, or one that was polled and not destroyed.
#[allow(unsafe_code, reason = "the safe interface does not have this call")]
unsafe fn described(event: *mut sys::rd_kafka_event_t) -> Option<Vec<Authorized>> {
    use sys::rd_kafka_resp_err_t as Code;
    // SAFETY: as the caller says; each pointer is looked at before it is followed.
    unsafe {
        if event.is_null() || sys::rd_kafka_event_error(event) != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return None;
        }
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let topic = |index: usize| {
            let topic = *topics.add(index);
            let name = CStr::from_ptr(sys::rd_kafka_TopicDescription_name(topic));
            let code = sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic));
            let mut count = 0;
            let list = sys::rd_kafka_TopicDescription_authorized_operations(topic, &raw mut count);
            let operations = match code {
                // Nothing at all: not even to see it.
                Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED => Some(Vec::new()),
                Code::RD_KAFKA_RESP_ERR_NO_ERROR if !list.is_null() => {
                    Some((0..count).map(|index| *list.add(index)).collect())
                }
                _ => None,
            };
            Authorized { name: name.to_string_lossy().into_owned(), operations }
        };
        Some((0..count).map(topic).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_the_command_that_gives_it() {
        let mut connection = Connection::to("k:9092");
        connection.kafka_properties = vec!["sasl.username=worker".parse().unwrap()];
        let read = Right::on_topic(Operation::Read, "ikd.events.v1");
        let group = Resource::Group("laju-3-abc".to_owned());
        let text = connection
            .lacks(vec![read, Right { operation: Operation::Read, resource: group }])
            .to_string();
        for part in [
            "user worker lacks",
            "Read on the topic ikd.events.v1, Read on the group laju-3-abc",
            "--add --allow-principal User:worker --operation Read --topic ikd.events.v1`",
            "--operation Read --group laju-3-abc`",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_connection_without_a_user_is_not_asked_about() {
        let nobody = Connection::to("127.0.0.1:9");
        let read = Right::on_topic(Operation::Read, "ikd.events.v1");
        assert!(nobody.require(&[read], Duration::from_secs(60)).is_ok());
    }
}
