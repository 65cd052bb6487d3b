//! The first command that a newcomer runs.
use crate::place::Place;

#[test]
fn the_demo_in_short() {
    let place = Place::new();
    let ran = place.amodal("demo --set train.epochs=1 --out demo").done();
    assert!(ran.stdout.contains("align (test)") && ran.stdout.contains("category (test)"), "{ran}");
    let ran = ran.says(&["next:", "open demo/run/report.html", "amodal predict demo/run"]);
    assert!(place.path("demo/run/model.safetensors").exists());
    let page = place.read("demo/run/report.html");
    let outside: Vec<&str> = ["src=", "href=", "url(", "@import"]
        .iter()
        .flat_map(|reference| page.split(reference).skip(1))
        .map(|rest| rest.trim_start_matches(['"', '\'']).get(..8).unwrap_or_default())
        .filter(|target| target.starts_with("http") || target.starts_with("//"))
        .collect();
    assert!(outside.is_empty(), "the report stands alone: {outside:?}");
    assert!(page.contains("<svg") && page.contains("data:image/"), "curves and pictures are in the page");
    assert!(!page.contains("<script src"), "{}", page.len());

    // the commands that it names next, as it names them
    let next = ran.stderr.lines().find(|line| line.trim().starts_with("amodal predict")).expect("a prediction to try");
    place.amodal(next.trim().trim_start_matches("amodal ")).done();
    place.amodal("index demo/run demo/data/table.csv -o demo/index -q").done();
    let hits =
        place.arguments(&["search", "demo/run", "demo/index", "--by", "label=red apple", "--json"]).done().json();
    assert_eq!(hits.as_array().unwrap().len(), 10);
}

#[test]
fn the_demo_in_chinese() {
    let place = Place::new();
    let ran = place.amodal("demo --language chinese --set train.epochs=1 --out demo").done();
    assert!(ran.stdout.contains("align (test)"), "{ran}");
    let ran = ran.says(&["labels as they are read:", "打开/VERB 的/PART 书本/NOUN", "label=\"红苹果\""]);
    assert!(place.read("demo/config.toml").contains("language = \"chinese\"\npos = true"), "{ran}");
    place.amodal("index demo/run demo/data/chinese.csv -o demo/index -q").done();
    let hits = place.arguments(&["search", "demo/run", "demo/index", "--by", "label=红苹果", "--json"]).done().json();
    assert_eq!(hits.as_array().unwrap().len(), 10);
    place.amodal("demo --language french").failed(2, &["french", "english, chinese"]);
}
