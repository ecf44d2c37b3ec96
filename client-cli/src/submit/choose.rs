//! Which format a file is read as, and with what beside it.

use import::csv::Csv;
use import::iso20022::{Camt053, Pain001};
use import::ocds::Ocds;
use import::{Format, FormatName, Publisher};

use crate::args::Submit;
use crate::exit::{Failure, Outcome};
use crate::screen::Screen;

/// Decides the format, and that the other arguments go with it.
pub(super) fn choose(args: &Submit, screen: &mut Screen) -> Outcome<Box<dyn Format>> {
    let shown = args.file.display();
    let format = match args.format {
        Some(format) => format,
        None => detected(args, screen)?,
    };
    if format == FormatName::Csv {
        return csv(args);
    }
    if args.map.is_some() {
        let words = format!("--map is for CSV files; {shown} is {}", format.words());
        return Err(Failure::usage(words));
    }
    if args.complete.is_some() {
        let words = "--complete is for CSV files: of these only what is in them can be said";
        return Err(Failure::usage(words));
    }
    let Some(submitter) = args.submitter.clone() else {
        let words = "who submits? Give your id at the log: --submitter ID";
        return Err(Failure::usage(words));
    };
    let body = args.body.clone().unwrap_or_else(|| submitter.clone());
    let publisher = Publisher { submitter, body };
    Ok(match format {
        FormatName::Pain001 => Box::new(Pain001 { publisher }),
        FormatName::Camt053 => Box::new(Camt053 { publisher }),
        FormatName::Ocds | FormatName::Csv => Box::new(Ocds { publisher }),
    })
}

fn csv(args: &Submit) -> Outcome<Box<dyn Format>> {
    let Some(map) = &args.map else {
        let words = "a CSV file needs a map that says which column is what: --map MAP.toml; \
                     `civiclog map init` guesses a first one";
        return Err(Failure::usage(words));
    };
    if args.submitter.is_some() || args.body.is_some() {
        let words = "the map says who submits and for which body; leave --submitter and --body out";
        return Err(Failure::usage(words));
    }
    Ok(Box::new(Csv::with_map(map)?))
}

/// The format of a file of which the command line says none. It is told, for it may be mistaken;
/// whoever gave a map for a table knows what it is.
fn detected(args: &Submit, screen: &mut Screen) -> Outcome<FormatName> {
    let format = import::detect(&args.file)?;
    if format != FormatName::Csv || args.map.is_none() {
        let (shown, words) = (args.file.display(), format.words());
        screen.note(format!("{shown} looks like {words}: --format {}", format.as_str()));
    }
    Ok(format)
}
