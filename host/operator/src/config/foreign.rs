//! The configuration of another process, for tools that judge it: by the variables and arguments that it is started with.

use std::ffi::OsString;

use clap::{Args, Command, FromArgMatches};

use super::RawConfig;

impl RawConfig {
    /// What a process reads that is started with these variables and arguments. This process's own environment does not count.
    ///
    /// # Errors
    /// With clap's words, if an argument is none.
    pub fn of_process(variables: &[(String, String)], args: &[String]) -> Result<Self, String> {
        let command = Self::augment_args(Command::new("k8supdater").no_binary_name(true));
        let mut given: Vec<OsString> = Vec::new();
        for arg in command.get_arguments() {
            let (Some(variable), Some(flag)) = (arg.get_env().and_then(|name| name.to_str()), arg.get_long()) else {
                continue;
            };
            let flag = format!("--{flag}");
            let is_given = args.iter().any(|arg| *arg == flag || arg.starts_with(&format!("{flag}=")));
            if let Some((_, value)) = variables.iter().find(|(name, _)| name == variable)
                && !is_given
            {
                given.push(format!("{flag}={value}").into());
            }
        }
        given.extend(args.iter().map(OsString::from));
        let command = command.mut_args(|arg| arg.env(None::<&'static str>));
        let read = command.try_get_matches_from(given).and_then(|matches| Self::from_arg_matches(&matches));
        read.map_err(|err| err.to_string().lines().next().unwrap_or_default().to_owned())
    }

    /// The variables that the operator reads.
    pub fn variables() -> Vec<String> {
        let command = Self::augment_args(Command::new("k8supdater"));
        let names = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned));
        names.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], args: &[&str]) -> Result<RawConfig, String> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        RawConfig::of_process(&variables, &args)
    }

    #[test]
    fn another_process_is_configured_by_its_own_variables_and_flags() {
        let raw =
            read(&[("VERSIONS_FRONTIER", "-1"), ("WATCH_NAMESPACES", "a"), ("HOME", "/")], &["--watch-namespaces=b"]);
        let config = raw.unwrap().check().unwrap();
        assert_eq!(config.watch_namespaces, ["b"]);
        assert_eq!(config.frontier.to_string(), "0");
        assert_eq!(read(&[], &[]).unwrap().check().unwrap().namespace, "k8supdater");
        let wrong = read(&[("REFRESH_FREQUENCY_IN_SECONDS", "soon")], &[]).unwrap().check().unwrap_err().to_string();
        assert!(wrong.starts_with("REFRESH_FREQUENCY_IN_SECONDS (or --interval) is \"soon\""), "{wrong}");
        assert!(read(&[], &["--nonsense"]).unwrap_err().contains("--nonsense"));
        assert!(RawConfig::variables().contains(&"TELEGRAM_TOKEN".to_owned()));
    }
}
