//! The command line: what to do, and kube-proxy's flags, which `config` knows.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use config::setting::heading;
use config::{ConfigFlags, Configuration, Naming, Purpose};

/// The headings of what means nothing to a plan.
const NOT_FOR_PLANS: [&str; 3] = [heading::KERNEL, heading::SERVING, heading::WITHOUT_EFFECT];

/// Keeps the IPVS table of this node equal to the Services of a Kubernetes cluster.
///
/// Without a subcommand it runs until it is told to stop, and then leaves the kernel as it is, so that
/// traffic goes on. It takes the flags and the configuration file of kube-proxy.
#[derive(Debug, Parser)]
#[command(name = "kube-ipvs", args_conflicts_with_subcommands = true, args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunFlags,
}

#[derive(Debug, Subcommand)]
#[command(args_override_self = true)]
pub(crate) enum Command {
    /// Print what would be in the kernel of a node, without touching any kernel.
    Plan(PlanFlags),
    /// Print what a run would add, change and remove in this kernel; exit code 2 if there is anything.
    Diff(PlanFlags),
    /// Remove everything from this node that is ours or kube-proxy's, of any mode, and say what it was; exit code 1 if
    /// something could not be removed. No Service works on this node then, until a proxy starts.
    Cleanup(CleanupFlags),
}

/// How the daemon runs.
#[derive(Args, Debug)]
pub(crate) struct RunFlags {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationFlags,
    /// Remove everything from this node that is ours or kube-proxy's, and end.
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_value_t = false,
          default_missing_value = "true", value_parser = config::flags::boolean, hide_default_value = true)]
    pub(crate) cleanup: bool,
    /// Do what takes full root privileges and end; a later run needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW
    /// only.
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_value_t = false,
          default_missing_value = "true", value_parser = config::flags::boolean, hide_default_value = true)]
    pub(crate) init_only: bool,
    /// Write the effective configuration to this file and end, without touching the node.
    #[arg(long, value_name = "FILE", value_parser = path(), allow_hyphen_values = true)]
    write_config_to: Option<PathBuf>,
    /// Print the version and end.
    #[arg(long, value_name = "raw", num_args = 0..=1, require_equals = true, default_value_t = false,
          default_missing_value = "true", value_parser = version, hide_default_value = true)]
    pub(crate) version: bool,
}

/// Where Services, EndpointSlices and Nodes come from, if not from an API server.
#[derive(Args, Debug)]
pub(crate) struct SourceFlags {
    /// A folder of manifests (*.yaml, *.yml, *.json), watched for changes, instead of an API server.
    #[arg(long, value_name = "DIR", help_heading = heading::OWN, conflicts_with_all = ["kubeconfig", "master"])]
    pub(crate) manifests: Option<PathBuf>,
}

/// What the operator wants.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigurationFlags {
    #[command(flatten)]
    pub(crate) settings: ConfigFlags,
    /// The configuration file, a KubeProxyConfiguration in YAML or JSON. Where it is given, of the flags for what a run
    /// does only --hostname-override, --master, --manifests, those for logs and those that only kube-ipvs has count.
    #[arg(long, value_name = "FILE", help_heading = None::<&str>, value_parser = path(), allow_hyphen_values = true)]
    config: Option<PathBuf>,
}

/// What `plan` and `diff` are about.
#[derive(Args, Debug)]
pub(crate) struct PlanFlags {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationFlags,
    /// The node whose kernel is meant; the same as --hostname-override.
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// The addresses of the node's interfaces. Without this, diff asks the kernel, and plan takes those of the
    /// Node object.
    #[arg(long, value_name = "IP,...", value_delimiter = ',')]
    pub(crate) host_address: Vec<IpAddr>,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
}

/// What `cleanup` is about.
#[derive(Args, Debug)]
pub(crate) struct CleanupFlags {
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationFlags,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// As ipvsadm, ipset, ip and iptables-save print it.
    Text,
    /// One JSON object.
    Json,
}

// === impl RunFlags ===

impl RunFlags {
    /// The configuration for what is to be done.
    pub(crate) fn load(&self, warnings: &mut Vec<String>) -> Result<Configuration, config::Error> {
        if self.cleanup {
            return self.configuration.load_for_cleanup(warnings);
        }
        self.configuration.load(warnings)
    }

    /// The file to write the configuration to, if that is all that is to be done.
    pub(crate) fn write_config_to(&self) -> Option<&Path> {
        not_empty(self.write_config_to.as_deref())
    }
}

// === impl ConfigurationFlags ===

impl ConfigurationFlags {
    /// The configuration of a proxy; see [`config::load()`].
    pub(crate) fn load(&self, warnings: &mut Vec<String>) -> Result<Configuration, config::Error> {
        config::load(&self.settings, self.file(), Purpose::Serve(crate::config::check_scheduler), warnings)
    }

    /// The configuration of a proxy that was here, of any mode.
    pub(crate) fn load_for_cleanup(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<Configuration, config::Error> {
        config::load(&self.settings, self.file(), Purpose::CleanUp, warnings)
    }

    /// The configuration file, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        not_empty(self.config.as_deref())
    }

    /// By which names the operator knows what it says.
    pub(crate) fn naming(&self) -> Naming {
        match self.file() {
            Some(_) => Naming::Fields(Vec::new()),
            None => Naming::Flags,
        }
    }
}

// === impl Cli ===

impl Cli {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// If something in it is wrong, or help is asked for: what to print then.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(arguments.into_iter().map(with_dashes));
        let matches = matches.map_err(|mut error| {
            if error.kind() == ErrorKind::UnknownArgument {
                advise(&mut error);
            }
            error
        })?;
        Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

/// The definition of the command line.
pub(crate) fn command() -> clap::Command {
    // kube-proxy takes empty arguments too, which variables without a value leave behind.
    let nothing = Arg::new("nothing").value_name("ARGUMENT").num_args(0..).hide(true).value_parser(nothing);
    ["plan", "diff", "cleanup"].into_iter().fold(Cli::command().arg(nothing), |command, name| {
        command.mut_subcommand(name, |plan| {
            plan.mut_args(|arg| {
                let hidden = arg.get_help_heading().is_some_and(|heading| NOT_FOR_PLANS.contains(&heading));
                let hidden = hidden || arg.is_hide_set();
                arg.hide(hidden)
            })
        })
    })
}

/// What helps against a flag that there is not. clap would advise to give it as a value, which nothing takes.
fn advise(error: &mut clap::Error) {
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => flag.clone(),
        _ => String::new(),
    };
    let text = |text: &str| ContextValue::StyledStrs(vec![text.to_owned().into()]);
    let suggested = match flag.as_str() {
        "--dry-run" => text("'kube-ipvs cleanup --dry-run' says what would be removed"),
        _ => ContextValue::None,
    };
    error.insert(ContextKind::Suggested, suggested);
    if flag == "--node" {
        // Of a similar name are only its addresses.
        error.insert(ContextKind::SuggestedArg, ContextValue::String("--hostname-override".to_owned()));
    }
}

/// The name of a file, which may be empty.
fn path() -> impl clap::builder::TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// An empty name of a file is none, as for kube-proxy.
fn not_empty(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// Whether the version is to be printed. There is one form of it.
fn version(text: &str) -> Result<bool, String> {
    if text == "raw" { Ok(true) } else { config::flags::boolean(text) }
}

fn nothing(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    Err("there is no such subcommand, and nothing but flags is taken; --help lists both".to_owned())
}

/// The name of a flag may be written with underscores, as for kube-proxy.
fn with_dashes(argument: OsString) -> OsString {
    match argument.to_str().and_then(|text| text.strip_prefix("--")) {
        Some(flag) => match flag.split_once('=') {
            Some((name, value)) => format!("--{}={value}", name.replace('_', "-")).into(),
            None => format!("--{}", flag.replace('_', "-")).into(),
        },
        None => argument,
    }
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
