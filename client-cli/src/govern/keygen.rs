//! `civiclog keygen` and `civiclog governance keygen`.

use records::Algorithm;
use serde::Serialize;

use crate::args::{Alg, Keygen};
use crate::exit::{Exit, Outcome};
use crate::keyfile;
use crate::screen::Screen;

/// Makes a key pair.
pub(crate) fn run(args: &Keygen, screen: &mut Screen) -> Outcome {
    let algorithm = match args.alg {
        Alg::Es256 => Algorithm::Es256,
        Alg::Ed25519 => Algorithm::Ed25519,
    };
    let (public, public_path) = keyfile::create(&args.out, algorithm)?;
    let made = Made {
        kid: public.kid().to_string(),
        algorithm: algorithm.as_str(),
        private: args.out.display().to_string(),
        public: public_path.display().to_string(),
    };
    screen.report(&made);
    screen.say(format!(
        "Key {} ({})\n  private: {} (readable by you alone; back it up)\n  public:  {}",
        made.kid, made.algorithm, made.private, made.public
    ));
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Made {
    kid: String,
    algorithm: &'static str,
    private: String,
    public: String,
}
