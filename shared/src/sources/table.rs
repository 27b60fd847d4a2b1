//! What the table of sources becomes: the keys of the configuration, and the way from each to its module.

macro_rules! sources {
    (
        asked in sql { $($(#[doc = $sql_doc:literal])+ $sql:ident: $Sql:ident,)* }
        asked by description { $($(#[doc = $doc:literal])+ $key:ident: $Kind:ident,)* }
    ) => {
        /// A source with its settings: one key that says of which kind it is.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct SourceSettings {
            $($(#[doc = $sql_doc])+ $sql: Option<Entry<$sql::SourceSpec>>,)*
            $($(#[doc = $doc])+ $key: Option<Entry<$key::SourceSpec>>,)*
        }

        /// What is asked of a source that takes no SQL: one key that says of which kind the source is.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct QueryDescription {
            $($(#[doc = $doc])+ $key: Option<Entry<$key::QuerySpec>>,)*
        }

        /// A kind of source, with its settings.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Kind {
            $($(#[doc = $sql_doc])+ $Sql($sql::Source),)*
            $($(#[doc = $doc])+ $Kind($key::Source),)*
        }

        /// What a source is asked.
        #[derive(Debug, Clone)]
        pub enum Asked {
            /// A statement that reads.
            Sql(Sql),
            $($(#[doc = $doc])+ $Kind($key::Query),)*
        }

        /// What sources keep warm from one run to the next.
        #[derive(Default)]
        pub struct Clients {
            $($sql: $sql::Clients,)*
            $($key: $key::Clients,)*
        }

        impl SourceSettings {
            /// Every key there is.
            pub(crate) const KEYS: &'static [&'static str] = &[$(stringify!($sql),)* $(stringify!($key),)*];

            /// Where the keys stand that are given, in the order of the table.
            pub(crate) fn given(&self) -> Vec<std::ops::Range<usize>> {
                let spans = [
                    $(self.$sql.as_ref().map(|entry| entry.span.clone()),)*
                    $(self.$key.as_ref().map(|entry| entry.span.clone()),)*
                ];
                spans.into_iter().flatten().collect()
            }

            /// The source of the first key that is given.
            pub(crate) fn resolve(&self, scope: &mut Scope<'_>, file: &File) -> Option<Kind> {
                $(if let Some(entry) = &self.$sql {
                    return $sql::Source::from_settings(scope, file, entry).map(Kind::$Sql);
                })*
                $(if let Some(entry) = &self.$key {
                    return $key::Source::from_settings(scope, file, entry).map(Kind::$Kind);
                })*
                None
            }
        }

        impl QueryDescription {
            /// Every key there is, and where those stand that are given.
            pub(crate) fn given(&self) -> Vec<(&'static str, std::ops::Range<usize>)> {
                let keys: Vec<(&'static str, Option<std::ops::Range<usize>>)> = vec![
                    $((stringify!($key), self.$key.as_ref().map(|entry| entry.span.clone())),)*
                ];
                keys.into_iter().filter_map(|(key, span)| Some((key, span?))).collect()
            }

            /// What the first key that is given asks.
            pub(crate) fn resolve(&self, scope: &mut Scope<'_>, file: &File) -> Option<Asked> {
                $(if let Some(entry) = &self.$key {
                    return <$key::Query as Described>::resolve(scope, file, entry).map(Asked::$Kind);
                })*
                None
            }
        }

        impl Asked {
            $(
                #[doc = concat!("What is asked of a `", stringify!($key), "` source.")]
                fn $key(&self) -> Option<&$key::Query> {
                    match self {
                        Self::$Kind(query) => Some(query),
                        _ => None,
                    }
                }
            )*

            /// The columns that it gives, where they are known before it is asked.
            pub(crate) fn columns(&self) -> Option<&[Column]> {
                match self {
                    Self::Sql(_) => None,
                    $(Self::$Kind(query) => Described::columns(query),)*
                }
            }

            /// The statement, for a source that takes SQL.
            pub(crate) fn sql(&self) -> Option<&Sql> {
                match self {
                    Self::Sql(sql) => Some(sql),
                    $(Self::$Kind(_) => None,)*
                }
            }
        }

        impl Kind {
            /// Its key in the configuration.
            pub(crate) fn key(&self) -> &'static str {
                match self {
                    $(Self::$Sql(_) => stringify!($sql),)*
                    $(Self::$Kind(_) => stringify!($key),)*
                }
            }

            /// Whether it is asked in SQL.
            pub(crate) fn takes_sql(&self) -> bool {
                match self {
                    $(Self::$Sql(_) => true,)*
                    $(Self::$Kind(_) => false,)*
                }
            }

            /// Every scheme by which a URL can name a source.
            pub(crate) fn schemes() -> impl Iterator<Item = &'static str> {
                let schemes = [
                    $(<$sql::Source as SourceKind>::SCHEMES,)*
                    $(<$key::Source as SourceKind>::SCHEMES,)*
                ];
                schemes.into_iter().flatten().copied()
            }

            /// The source of a URL; the outer `None` if no source has URLs of its scheme, the inner one if it has a mistake,
            /// which has been told.
            pub(crate) fn from_url(
                scope: &mut Scope<'_>,
                file: &File,
                scheme: &str,
                url: &Entry<String>,
            ) -> Option<Option<Self>> {
                $(if <$sql::Source as SourceKind>::SCHEMES.contains(&scheme) {
                    return Some($sql::Source::from_url(scope, file, url).map(Self::$Sql));
                })*
                $(if <$key::Source as SourceKind>::SCHEMES.contains(&scheme) {
                    return Some($key::Source::from_url(scope, file, url).map(Self::$Kind));
                })*
                None
            }

            /// As [`SourceKind::run`]. On the heap, because the futures of clients are nested deeply, and the layout of those of
            /// all kinds in one would exceed the depth to which the compiler goes.
            pub(crate) async fn run(
                &self,
                clients: &Clients,
                intakes: &mut [Intake<'_>],
                context: &Context<'_>,
            ) -> Result<(), MetricFailure> {
                match self {
                    $(Self::$Sql(source) => {
                        Box::pin(source.run(&clients.$sql, asking(intakes, Asked::sql), context)).await
                    })*
                    $(Self::$Kind(source) => {
                        Box::pin(source.run(&clients.$key, asking(intakes, Asked::$key), context)).await
                    })*
                }
            }

            /// As [`SourceKind::check`].
            pub(crate) async fn check(
                &self,
                clients: &Clients,
                queries: &[job::Query],
                context: &Context<'_>,
            ) -> Result<Vec<Finding>, MetricFailure> {
                match self {
                    $(Self::$Sql(source) => {
                        Box::pin(source.check(&clients.$sql, &asked(queries, Asked::sql), context)).await
                    })*
                    $(Self::$Kind(source) => {
                        Box::pin(source.check(&clients.$key, &asked(queries, Asked::$key), context)).await
                    })*
                }
            }
        }
    };
}
