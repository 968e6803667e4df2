//! What comes from Kafka and how: the only place that knows rdkafka. It hands records over and
//! knows nothing of what they come to.

pub mod reference;
pub mod tail;
pub mod topics;
