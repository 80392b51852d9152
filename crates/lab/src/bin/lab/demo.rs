//! `lab demo`: a cluster of two nodes and six pods, kube-ipvs on each node, and its main job shown with real traffic.

mod manifests;
mod outcome;
mod stage;
mod steps;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use lab::Error;

use outcome::Outcome;
use stage::Stage;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The kube-ipvs program
    #[arg(long, value_name = "PROGRAM")]
    kube_ipvs: PathBuf,
    /// The folder of manifests; a copy of it is used and changed
    #[arg(long, value_name = "FOLDER")]
    manifests: PathBuf,
    /// The folder for the logs of kube-ipvs
    #[arg(long, value_name = "FOLDER")]
    logs: PathBuf,
}

/// One thing that is shown.
struct Step {
    title: &'static str,
    show: fn(&mut Stage) -> Result<Outcome, Error>,
}

const STEPS: [Step; 11] = [
    Step { title: "kube-ipvs starts on both nodes and programs their kernels", show: steps::programmed },
    Step { title: "rr: shop/frontend takes turns, over IPv4 and over IPv6", show: steps::round_robin },
    Step { title: "wrr: shop/checkout has a canary that gets 5 of 100", show: steps::weighted },
    Step {
        title: "lc: shop/search avoids pods that are busy with long downloads",
        show: steps::least_connections,
    },
    Step { title: "sh: shop/sessions keeps each client with one pod", show: steps::source_hashing },
    Step { title: "mh: shop/cache keeps each client with one pod", show: steps::maglev_hashing },
    Step { title: "UDP and SCTP: kube-system/kube-dns and telecom/signalling", show: steps::other_protocols },
    Step { title: "a pod goes away during a download", show: steps::pod_goes_away },
    Step { title: "a pod is added to shop/frontend", show: steps::scale_up },
    Step { title: "whom the servers see: SNAT and hairpin", show: steps::sources },
    Step { title: "policy Local: shop/edge from outside, from pods and from nodes", show: steps::outside },
];

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    println!("== building two nodes, six pods and a host outside");
    let begin = Instant::now();
    let mut stage = Stage::build(&arguments.kube_ipvs, &arguments.manifests, &arguments.logs)?;
    println!("   done in {:.1} s\n", begin.elapsed().as_secs_f32());

    for (number, step) in (1..).zip(&STEPS) {
        println!("== {number}/{} {}", STEPS.len(), step.title);
        let begin = Instant::now();
        let outcome = (step.show)(&mut stage)?;
        print!("{outcome}");
        let seconds = begin.elapsed().as_secs_f32();
        if !outcome.is_as_expected() {
            println!("   FAILED after {seconds:.1} s\n");
            stage.show_logs();
            return Ok(ExitCode::FAILURE);
        }
        println!("   ok ({seconds:.1} s)\n");
    }
    println!("All {} steps went as expected.", STEPS.len());
    Ok(ExitCode::SUCCESS)
}
