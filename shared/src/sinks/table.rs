//! What the table of sinks becomes: the keys of the configuration, and the way from each to its module.

macro_rules! sinks {
    ($($(#[doc = $doc:literal])+ $key:ident: $Kind:ident,)*) => {
        /// Where series go: one key that says of which kind it is.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(rename = "SinkSpec")]
        pub(crate) struct SinkSettings {
            /// A Prometheus Pushgateway.
            pub(crate) pushgateway: Option<Entry<PushgatewaySpec>>,
            $($(#[doc = $doc])+ $key: Option<Entry<$key::SinkSpec>>,)*
        }

        /// A kind of sink, with its settings.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Kind {
            $($(#[doc = $doc])+ $Kind($key::Sink),)*
        }

        /// What sinks keep warm from one run to the next.
        #[derive(Default)]
        pub(crate) struct Clients {
            $($key: $key::Clients,)*
        }

        impl SinkSettings {
            /// Every key there is.
            pub(crate) const KEYS: &'static [&'static str] = &["pushgateway", $(stringify!($key),)*];

            /// Where the keys stand that are given, in the order of the table.
            pub(crate) fn given(&self) -> Vec<std::ops::Range<usize>> {
                let spans = [
                    self.pushgateway.as_ref().map(|entry| entry.span.clone()),
                    $(self.$key.as_ref().map(|entry| entry.span.clone()),)*
                ];
                spans.into_iter().flatten().collect()
            }

            /// The sink of the first key of the table that is given.
            pub(crate) fn resolve(&self, scope: &mut Scope<'_>, file: &File) -> Option<Kind> {
                $(if let Some(entry) = &self.$key {
                    return $key::Sink::from_settings(scope, file, entry).map(Kind::$Kind);
                })*
                None
            }
        }

        impl Kind {
            /// As [`SinkKind::send`].
            async fn send(&self, clients: &Clients, samples: Samples<'_>, delivery: &Delivery<'_>) -> Sent {
                match self {
                    $(Self::$Kind(sink) => sink.send(&clients.$key, samples, delivery).await,)*
                }
            }
        }
    };
}
