//! The environment of a function's process: its configured variables and those that Lambda sets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

/// What the variables tell a process about itself.
pub(super) struct Description<'a> {
    pub(super) function: &'a str,
    pub(super) binary: &'a Path,
    pub(super) memory_mb: u32,
    pub(super) log_stream: &'a str,
    pub(super) runtime_api: SocketAddr,
}

/// The Region of functions whose variables name none.
const DEFAULT_REGION: &str = "eu-west-1";

/// The Region in the function's variables. Lambda would set it; here there is no other place to say it.
pub(super) fn region(configured: &BTreeMap<OsString, OsString>) -> String {
    ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .iter()
        .find_map(|name| configured.get(&OsString::from(name)))
        .and_then(|region| region.to_str())
        .map_or_else(|| DEFAULT_REGION.into(), Into::into)
}

/// The whole environment; variables that Lambda reserves win over configured ones of the same name.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
pub(super) fn environment(
    configured: &BTreeMap<OsString, OsString>,
    description: &Description<'_>,
) -> BTreeMap<OsString, OsString> {
    let region = region(configured);
    let task_root = description.binary.parent().unwrap_or(Path::new("/"));
    let handler = description.binary.file_name().unwrap_or_default();
    // Those that a function may set for itself.
    let mut environment: BTreeMap<OsString, OsString> = [
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    environment.extend(configured.clone());
    environment.extend([
        (
            "AWS_LAMBDA_RUNTIME_API".into(),
            description.runtime_api.to_string().into(),
        ),
        ("AWS_LAMBDA_FUNCTION_NAME".into(), description.function.into()),
        ("AWS_LAMBDA_FUNCTION_VERSION".into(), "$LATEST".into()),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE".into(),
            description.memory_mb.to_string().into(),
        ),
        (
            "AWS_LAMBDA_LOG_GROUP_NAME".into(),
            format!("/aws/lambda/{}", description.function).into(),
        ),
        ("AWS_LAMBDA_LOG_STREAM_NAME".into(), description.log_stream.into()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE".into(), "on-demand".into()),
        ("AWS_XRAY_CONTEXT_MISSING".into(), "LOG_ERROR".into()),
        ("AWS_XRAY_DAEMON_ADDRESS".into(), "169.254.79.129:2000".into()),
        ("AWS_REGION".into(), region.clone().into()),
        ("AWS_DEFAULT_REGION".into(), region.into()),
        ("LAMBDA_TASK_ROOT".into(), task_root.into()),
        ("LAMBDA_RUNTIME_DIR".into(), "/var/runtime".into()),
        ("_HANDLER".into(), handler.into()),
    ]);
    environment
}
