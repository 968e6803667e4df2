//! How many files and connections the system lets this process have open.

/// Where the system does not say: what most systems start processes with.
const USUAL: u64 = 1_024;
/// Descriptors that are kept for brokers, stores and logs, at least.
const KEPT: u64 = 64;

/// Lets this process have so many descriptors, as far as the system allows it; says how many it
/// may have now.
#[cfg(unix)]
pub fn make_room(wanted: u64) -> u64 {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let room = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(now, most)| {
        let wanted = wanted.min(most);
        if now >= wanted {
            return Ok(now);
        }
        setrlimit(Resource::RLIMIT_NOFILE, wanted, most).map(|()| wanted)
    });
    room.unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files stays as it is: connections may be refused");
        USUAL
    })
}

/// The same where there is no such limit.
#[cfg(not(unix))]
pub fn make_room(wanted: u64) -> u64 {
    wanted
}

/// How many descriptors it may have.
#[cfg(unix)]
fn descriptors() -> u64 {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE).map_or(USUAL, |(now, _)| now)
}

#[cfg(not(unix))]
fn descriptors() -> u64 {
    USUAL
}

/// How many connections there may be, of at most so many: a quarter of the descriptors, at least
/// 64, is kept for brokers and files, but never more than half.
pub fn connections_within(most: usize) -> usize {
    most.min(usize::try_from(room_for_connections(descriptors())).unwrap_or(usize::MAX)).max(1)
}

fn room_for_connections(descriptors: u64) -> u64 {
    descriptors - (descriptors / 4).max(KEPT).min(descriptors / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_and_files_keep_their_descriptors() {
        for (descriptors, connections) in [(256, 192), (8_192, 6_144), (64, 32), (1, 1), (0, 0)] {
            assert_eq!(room_for_connections(descriptors), connections);
        }
        assert_eq!(connections_within(1), 1);
    }

    #[cfg(unix)]
    #[test]
    fn there_is_room_for_all_connections_where_the_system_lets_it() {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 1_024.min(most), most).unwrap();
        assert_eq!(make_room(8_192), 8_192.min(most));
        let (now, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(now, 8_192.min(most));
    }
}
