//! `bringup vault encrypt-string`: values for files of variables.

use std::path::PathBuf;

use clap::Args;
use miette::Report;
use zeroize::Zeroizing;

use super::super::vault_password::has_terminal;
use super::{Encrypting, done, file};
use crate::report::terminal;

/// Blanks before each line of a value.
const INDENT: &str = "          ";

#[derive(Args, Debug)]
pub struct EncryptString {
    /// The texts; `-` is standard input
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// The variable that a text is the value of; given again for each text
    #[arg(short, long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// The variable that standard input is the value of
    #[arg(long, value_name = "NAME")]
    stdin_name: Option<String>,
    /// Ask for the text
    #[arg(short, long)]
    prompt: bool,
    /// Show the text while it is typed
    #[arg(long)]
    show_input: bool,
    /// Write it there; `-` is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    with: Encrypting,
}

/// A text to be encrypted.
struct Given {
    name: Option<String>,
    text: Zeroizing<Vec<u8>>,
    from: &'static str,
}

impl EncryptString {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Report> {
        let dash = self.texts.iter().any(|text| text == file::STANDARD);
        let stdin = dash || self.stdin_name.is_some() || (self.texts.is_empty() && !self.prompt);
        if self.prompt && stdin {
            return Err(miette::miette!(
                help = "leave out `--prompt`, or `-` and `--stdin-name`",
                "a text is either asked for or read from standard input"
            ));
        }
        let (keyring, named) = self.with.keyring()?;
        let given = self.given(stdin)?;
        let many = given.len() > 1;
        let mut out = String::new();
        for (at, Given { name, text, from }) in given.iter().enumerate() {
            if text.is_empty() {
                return Err(miette::miette!(help = "give a text", "there is nothing to encrypt: {from} is empty"));
            }
            let sealed = keyring.seal(text, &named.secret, Some(&named.id))?;
            if many {
                let what = name.as_ref().map_or_else(String::new, |name| format!("variable `{name}`, "));
                terminal::err(&format!("# {what}text {} from {from}", at + 1));
            }
            let name = name.as_ref().map_or_else(String::new, |name| format!("{name}: "));
            out.push_str(&format!("{name}!vault |\n"));
            sealed.lines().for_each(|line| out.push_str(&format!("{INDENT}{line}\n")));
        }
        let output = self.output.clone().unwrap_or_else(|| PathBuf::from(file::STANDARD));
        file::write(&output, out.as_bytes(), None)?;
        done("encrypted");
        Ok(())
    }

    fn given(&self, stdin: bool) -> Result<Vec<Given>, Report> {
        let mut given = Vec::new();
        if self.prompt {
            given.push(self.asked()?);
        }
        if stdin {
            let text = file::read(std::path::Path::new(file::STANDARD))?;
            given.push(Given { name: self.stdin_name.clone(), text, from: "standard input" });
        }
        let texts: Vec<&String> = self.texts.iter().filter(|text| *text != file::STANDARD).collect();
        if !self.names.is_empty() && texts.len() > self.names.len() {
            let last = self.names.last().map_or("", String::as_str);
            terminal::warn(&format!("there are fewer names than texts: those behind `{last}` get none"));
        }
        let mut names = self.names.iter();
        given.extend(texts.into_iter().map(|text| Given {
            name: names.next().cloned(),
            text: Zeroizing::new(text.clone().into_bytes()),
            from: "the command line",
        }));
        Ok(given)
    }

    fn asked(&self) -> Result<Given, Report> {
        let unasked =
            |error: std::io::Error| miette::miette!(help = "pipe the text into it", "cannot ask for the text: {error}");
        if !has_terminal() {
            return Err(miette::miette!(
                help = "pipe the text into it: `… | bringup vault encrypt-string --stdin-name NAME`",
                "cannot ask for the text: there is no terminal"
            ));
        }
        let name = terminal::ask("Variable name (enter for no name):").map_err(unasked)?;
        let text = match self.show_input {
            true => terminal::ask("String to encrypt:").map(|line| line.trim_end_matches('\n').to_owned()),
            false => terminal::ask_secret("String to encrypt (hidden):"),
        };
        let text = Zeroizing::new(text.map_err(unasked)?.into_bytes());
        let name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        Ok(Given { name, text, from: "the prompt" })
    }
}
