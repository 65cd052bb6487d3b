//! `amodal doctor`: the machine, the build, and what is missing.
use crate::{Output, show};
use amodal::kernels::Precision;

pub(crate) fn run(output: Output) -> anyhow::Result<()> {
    let mut facts = amodal::run::environment();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or(" unknown");
    facts.insert("memory available".into(), available.trim().to_string());
    facts.insert("cpu features".into(), features().join(" "));
    for (name, precision) in [("float32", Precision::Float32), ("bfloat16", Precision::Bfloat16)] {
        facts.insert(format!("{name} by"), precision.kernel().unwrap_or("nothing: not available here").to_string());
    }
    let mut advice = Vec::new();
    if std::env::var("RAYON_NUM_THREADS").is_ok_and(|threads| threads == "1") {
        advice.push("RAYON_NUM_THREADS=1: training uses one core".to_string());
    }
    if cfg!(debug_assertions) {
        advice.push("this is a debug build, many times slower: build it with --release".to_string());
    }
    if cfg!(target_arch = "x86_64") && !features().contains(&"avx2") {
        advice.push("the CPU has no AVX2: training is several times slower".to_string());
    }
    if output.json {
        return show::json(&serde_json::json!({ "facts": facts, "advice": advice }));
    }
    let rows: Vec<Vec<String>> = facts.iter().map(|(name, value)| vec![format!("{name:<18}{value}")]).collect();
    show::print(&show::aligned(&rows))?;
    match advice.is_empty() {
        true => show::print("nothing is missing: `amodal demo` shows what it does\n"),
        false => show::print(&advice.iter().map(|line| format!("warning: {line}\n")).collect::<String>()),
    }
}

/// Vector instructions of this CPU that make a difference.
fn features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        let all = [
            ("sse4.2", is_x86_feature_detected!("sse4.2")),
            ("avx", is_x86_feature_detected!("avx")),
            ("avx2", is_x86_feature_detected!("avx2")),
            ("fma", is_x86_feature_detected!("fma")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
        ];
        all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}
