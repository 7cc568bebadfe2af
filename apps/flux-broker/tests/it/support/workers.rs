//! Every scenario runs with one worker and with four.

/// Makes two tests of each scenario `fn(&Broker)`: with one worker and with four. With
/// `name with settings`, a `fn(&mut Settings)` changes the settings first.
macro_rules! scenarios {
    ($($name:ident $(with $settings:path)?),+ $(,)?) => {
        $(
            mod $name {
                #[test]
                fn with_one_worker() {
                    super::$name(&scenarios!(@start 1 $($settings)?));
                }

                #[test]
                fn with_four_workers() {
                    super::$name(&scenarios!(@start 4 $($settings)?));
                }
            }
        )+
    };
    (@start $workers:literal) => {
        $crate::support::Broker::start($workers, |_| {})
    };
    (@start $workers:literal $settings:path) => {
        // The path is seen from the parent of the scenario's module.
        $crate::support::Broker::start($workers, {
            use super::*;
            $settings
        })
    };
}

/// The same for each scenario `fn(&Broker, Version)`, which makes four tests of it: MQTT 3.1.1
/// and 5.0.
macro_rules! scenarios_of_both_versions {
    ($($name:ident $(with $settings:path)?),+ $(,)?) => {
        $(
            mod $name {
                use $crate::support::Version::{V5, V311};

                scenarios_of_all_versions!(@both $name, $($settings)?);
            }
        )+
    };
}

/// The same for each scenario that goes alike in MQTT 3.1 as well: six tests of it.
macro_rules! scenarios_of_all_versions {
    (@both $name:ident, $($settings:path)?) => {
        #[test]
        fn v3_with_one_worker() {
            super::$name(&scenarios!(@start 1 $($settings)?), V311);
        }

        #[test]
        fn v3_with_four_workers() {
            super::$name(&scenarios!(@start 4 $($settings)?), V311);
        }

        #[test]
        fn v5_with_one_worker() {
            super::$name(&scenarios!(@start 1 $($settings)?), V5);
        }

        #[test]
        fn v5_with_four_workers() {
            super::$name(&scenarios!(@start 4 $($settings)?), V5);
        }
    };
    ($($name:ident $(with $settings:path)?),+ $(,)?) => {
        $(
            mod $name {
                use $crate::support::Version::{V5, V31, V311};

                scenarios_of_all_versions!(@both $name, $($settings)?);

                #[test]
                fn v31_with_one_worker() {
                    super::$name(&scenarios!(@start 1 $($settings)?), V31);
                }

                #[test]
                fn v31_with_four_workers() {
                    super::$name(&scenarios!(@start 4 $($settings)?), V31);
                }
            }
        )+
    };
}
