//! `civiclog map init`: a first map for a file, to be read and corrected by a person.

use import::csv::guess::{Hints, guess};

use files::Access;

use crate::args::MapInit;
use crate::exit::{Exit, Explain, Outcome};
use crate::screen::Screen;

pub(crate) fn run(args: &MapInit, screen: &mut Screen) -> Outcome {
    let (submitter, currency) = (args.submitter.as_deref(), args.currency.as_deref());
    let map = guess(&args.file, Hints { submitter, currency })?;
    match &args.out {
        Some(path) => {
            files::create(path, map.as_bytes(), Access::Umask)
                .explain(Exit::Usage, || format!("writing {}", path.display()))?;
            screen.say(format!("Wrote {}. Read it, correct it, then try:", path.display()));
        }
        None => screen.say(map.trim_end()),
    }
    let shown = args.file.display();
    screen.note("A guess from the beginning of the file. Read it before anything is submitted:");
    screen.note(format!("  civiclog submit {shown} --map MAP --key KEY --log URL --dry-run"));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests;
