//! Words: cut, tagged, and in pieces.
use crate::{
    data::squares,
    place::{Place, Ran},
};
use std::{
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

/// Runs the command with something on stdin.
fn given(place: &Place, arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = place
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let (mut stdin, input) = (child.stdin.take().expect("piped"), input.to_vec());
    let feed = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("the command ends");
    feed.join().expect("written");
    Ran::new(&arguments.join(" "), &output)
}

#[test]
fn tags_of_a_text() {
    let place = Place::new();
    let ran = place.arguments(&["words", "tag", "A red cat doesn't sleep, 🐱!"]).done();
    assert_eq!(ran.stdout, "A\tDET\nred\tADJ\ncat\tNOUN\ndoesn't\tAUX\nsleep\tNOUN\n,\tPUNCT\n🐱\tSYM\n!\tPUNCT\n");
    let ran = place.arguments(&["words", "tag", "我在北京 ok", "--json"]).done();
    assert_eq!(ran.json()[2], serde_json::json!({ "word": "北京", "tag": "PROPN" }));
    assert_eq!(place.arguments(&["words", "tag", "le chat", "--language", "other"]).done().stdout, "le\tX\nchat\tX\n");
    for empty in ["", " ", "\u{7}\t"] {
        assert_eq!(place.arguments(&["words", "tag", empty]).done().stdout, "");
    }
    assert_eq!(
        given(&place, &["words", "tag", "--file", "-"], b"cat\n\ndog").done().stdout,
        "cat\tNOUN\n\n\ndog\tNOUN\n"
    );
}

#[test]
fn a_wrong_use_of_tag() {
    let place = Place::new();
    place.amodal("words tag").failed(2, &["TEXT", "--file", "--score"]);
    place.amodal("words tag a --file b").failed(2, &["--file"]);
    place.amodal("words tag a --language chinse").failed(2, &["chinse", "chinese"]);
    place.amodal("words tag --file nosuch").failed(1, &["nosuch"]);
    place.amodal("words").code_is(2);
}

#[test]
fn a_score_of_tags() {
    let place = Place::new();
    place.write("right.txt", "The\tDET\ncat\tNOUN\nsleeps\tVERB\n.\tPUNCT\n\nMad\tNOUN\ndog\tNOUN\n");
    let ran = place.amodal("words tag --score right.txt").done();
    assert!(ran.stdout.starts_with("accuracy 83.3 % (NOUN throughout 50.0 %) of 6 words in 2 sentences\n"), "{ran}");
    let figures = place.amodal("words tag --score right.txt --json").done().json();
    assert_eq!(figures["recall"]["DET"], 1.0);
    assert_eq!(figures["words"], 6);
    assert_eq!(figures["wrong"], serde_json::json!([{ "right": "NOUN", "given": "ADJ", "words": 1 }]));
    place.write("open.txt", "The\tDET\ncat\t_\n");
    let ran = place.amodal("words tag --score open.txt").done();
    assert!(ran.stdout.starts_with("accuracy 100.0 % (DET throughout 100.0 %) of 1 word"), "{ran}");
    assert!(ran.stdout.contains("; 1 without a right tag"), "{ran}");
    for (line, problem) in
        [("cat", "expected a word, a tabulator"), ("cat\tNOUNN", "NOUNN"), ("\tNOUN", "expected a word")]
    {
        place.write("wrong.txt", format!("a\tDET\n{line}\n"));
        place.amodal("words tag --score wrong.txt").failed(1, &["wrong.txt:2", problem]);
    }
    place.write("empty.txt", "\n\n");
    place.amodal("words tag --score empty.txt").failed(1, &["empty.txt", "no word"]);
}

#[test]
fn words_of_lines() {
    let place = Place::new();
    place.write("text.txt", "Don't stop!\r\n\n我来到北京清华大学, ok\n\u{0}🐱");
    let ran = place.amodal("words segment text.txt").done();
    assert_eq!(ran.stdout, "Don't stop !\n\n我 来到 北京 清华大学 , ok\n🐱\n");
    let ran = place.amodal("words segment text.txt --plain --json").done();
    assert_eq!(ran.json_lines()[0], serde_json::json!(["don't", "stop"]));
    assert_eq!(given(&place, &["words", "segment"], "a b".as_bytes()).done().stdout, "a b\n");
    assert_eq!(given(&place, &["words", "segment"], b"").done().stdout, "");
}

#[test]
fn a_score_of_words() {
    let place = Place::new();
    place.write("right.txt", "我\tPRON\n来到\nred\ncat\n、\n北京清华\n大学\n\n小猫\n");
    let ran = place.amodal("words segment --score right.txt").done();
    assert_eq!(
        ran.stdout,
        "f1 75.0 % (each letter a word 15.4 %), precision 75.0 %, recall 75.0 % of 8 words in 2 sentences\n"
    );
    assert_eq!(place.amodal("words segment --score right.txt --json").done().json()["words"], 8);
    place.write("wrong.txt", "我\n\tPRON\n");
    place.amodal("words segment --score wrong.txt").failed(1, &["wrong.txt:2: expected a word"]);
    place.write("empty.txt", "\n");
    place.amodal("words segment --score empty.txt").failed(1, &["empty.txt", "no word"]);
    place.amodal("words segment --score right.txt --plain").failed(2, &["--plain"]);
    place.amodal("words segment --score right.txt right.txt").failed(2, &["--score"]);
}

#[test]
fn a_text_of_one_long_line() {
    let place = Place::new();
    let text = "小猫 and a red cat. ".repeat(100_000);
    let ran = given(&place, &["words", "segment", "--plain"], text.as_bytes()).done();
    assert_eq!(ran.stdout.matches('\n').count(), 1);
    assert_eq!(ran.stdout.split_whitespace().count(), 500_000);
}

#[test]
fn text_that_is_not_utf8() {
    let place = Place::new();
    place.write("latin.txt", b"good\nbad \xe9t\xe9\n");
    for command in ["segment latin.txt", "tag --file latin.txt", "tokenizer train latin.txt"] {
        let ran = place.amodal(&format!("words {command}"));
        assert_eq!(ran.code, 1, "{ran}");
        ran.says(&["latin.txt:2: not UTF-8 text at byte 5 of the line", "help: "]);
    }
    assert!(!place.path("tokenizer.json").exists());
}

#[test]
fn subwords_of_a_text() {
    let place = Place::new();
    place.write("text.txt", "a small red cat\nthe smallest 小猫 🐱\n".repeat(20));
    for model in ["bpe", "wordpiece", "unigram"] {
        let ran =
            place.amodal(&format!("words tokenizer train text.txt --model {model} --size 300 -o {model}.json")).done();
        assert!(ran.stdout.starts_with(&format!("{model}.json: ")), "{ran}");
        let encode = ["words", "tokenizer", "encode", &format!("{model}.json")];
        let ran = given(&place, &encode, b"a small cat\n\nsmaller").done();
        assert_eq!(ran.stdout.lines().count(), 3, "{ran}");
        let ran = given(&place, &[&encode[..], &["--json"]].concat(), b"cat").done();
        assert_eq!(ran.json()["ids"].as_array().map(Vec::len), ran.json()["subwords"].as_array().map(Vec::len));
    }
    place.amodal("words tokenizer train text.txt --size 20").failed(2, &["size: 20, expected more than 256"]);
    place
        .amodal("words tokenizer train text.txt --size 9 --model unigram")
        .failed(2, &["size: 9, expected more than "]);
    place.amodal("words tokenizer train text.txt --model trie").failed(2, &["trie", "bpe, wordpiece, unigram"]);
    place.write("empty.txt", "");
    place.amodal("words tokenizer train empty.txt").failed(2, &["no word"]);
}

#[test]
fn a_broken_tokenizer() {
    let place = Place::new();
    place.write("text.txt", "a small red cat\n");
    for content in ["", "{}", "[1]", "{\"model\": {\"type\": \"BPE\"}}"] {
        place.write("broken.json", content);
        place
            .amodal("words tokenizer encode broken.json text.txt")
            .failed(2, &["broken.json: not a tokenizer.json", "help: make one"]);
    }
    place.write("broken.json", b"\xff");
    place.amodal("words tokenizer encode broken.json text.txt").failed(2, &["broken.json", "UTF-8"]);
    place.amodal("words tokenizer encode nosuch.json text.txt").failed(2, &["nosuch.json", "no such file"]);
}

/// A run that reads subwords and parts of speech: the files it was made from are gone when it is used.
#[test]
fn a_run_of_subwords_and_parts_of_speech() {
    let place = squares();
    place.write("text.txt", place.read("table.csv"));
    place.amodal("words tokenizer train text.txt --size 400 -o tokenizer.json").done();
    let read = "--set modalities.text.unit=subword --set modalities.text.pos=true --set train.epochs=2 -q";
    let file = "--set modalities.text.tokenizer=tokenizer.json";
    place.amodal(&format!("train config.toml --out run {read} {file}")).done();
    place.amodal(&format!("train config.toml --out learned {read} --set modalities.text.subword.size=300")).done();
    std::fs::remove_file(place.path("tokenizer.json")).unwrap();
    for run in ["run", "learned"] {
        place.arguments(&["predict", run, "--input", "text=a red square"]).done();
        place.amodal(&format!("train --resume {run} -q")).done();
    }
    place.amodal(&format!("check config.toml {read} {file}")).failed(2, &["modalities.text.tokenizer", "no such file"]);
    let small = "--set modalities.text.unit=subword --set modalities.text.subword.size=9";
    place
        .amodal(&format!("train config.toml --out small {small}"))
        .failed(2, &["modalities.text.subword.size: 9, expected more than 256"]);
}

#[test]
fn a_run_that_begins_with_vectors() {
    let place = squares();
    place.write("v.txt", "red 1 0 2\nblue -1 0 2\nazure -1 0.1 2\n");
    let vectors = "--set modalities.text.vectors.path=v.txt";
    for (run, options) in [("frozen", ""), ("learned", "--set modalities.text.vectors.frozen=false")] {
        place.amodal(&format!("train config.toml --out {run} {vectors} {options} --set train.epochs=2 -q")).done();
    }
    place.amodal(&format!("check config.toml {vectors}")).done();
    std::fs::remove_file(place.path("v.txt")).unwrap();
    for run in ["frozen", "learned"] {
        let config = place.read(&format!("{run}/config.toml"));
        assert!(config.contains("azure"), "a word that no training row has: {config}");
        place.arguments(&["predict", run, "--input", "text=an azure square"]).done();
        place.amodal(&format!("train --resume {run} -q")).done();
    }
    place.amodal(&format!("check config.toml {vectors}")).failed(2, &["modalities.text.vectors.path", "v.txt"]);
    place.write("v.txt", "RED 1 0 2\nBLUE -1 0 2\n");
    place
        .amodal(&format!("train config.toml --out none {vectors}"))
        .failed(2, &["modalities.text.vectors.path", "in lower case"]);
    place
        .amodal(&format!("train config.toml --out none {vectors} --set modalities.text.unit=character"))
        .failed(2, &["modalities.text.vectors: are for words"]);
}

impl Ran {
    #[track_caller]
    fn code_is(&self, code: i32) {
        assert_eq!(self.code, code, "{self}");
    }
}

/// A text of two subjects, whose words stand together with no others.
fn subjects() -> Place {
    let place = Place::new();
    let subjects = [["sea", "ship", "wave", "sail"], ["sky", "cloud", "wing", "bird"]];
    let line = |at: usize| {
        let words = (0..6).map(|n| subjects[at % 2][(at / 2 + n * (1 + at % 3)) % 4]);
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    place.write("text", (0..6000).map(line).collect::<String>());
    place
}

#[test]
fn what_is_killed_while_it_learns_goes_on() {
    let place = subjects();
    for options in ["--epochs 300", "--model glove --epochs 3000"] {
        let options = format!("{options} --dim 8 --threads 1");
        place.amodal(&format!("words train text -o whole.txt {options}")).done();
        assert!(!place.path("whole.txt.state").exists());
        let train = format!("words train text -o killed.txt --save-every 0 -q {options}");
        let mut child = place.command(&train.split(' ').collect::<Vec<_>>()).spawn().unwrap();
        let begun = Instant::now();
        while !place.path("killed.txt.state").exists() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        assert!(!place.path("killed.txt").exists(), "{options}: it had ended");
        place
            .amodal(&format!("{train} --resume --seed 1"))
            .failed(1, &["killed.txt.state: the state of another training", "leave --resume out"]);
        place.amodal(&format!("{train} --resume")).done();
        assert!(place.bytes("killed.txt") == place.bytes("whole.txt"), "{options}");
        assert!(!place.path("killed.txt.state").exists());
        place
            .amodal(&format!("{train} --resume"))
            .failed(1, &["killed.txt.state: no state to go on from", "leave --resume out"]);
        std::fs::remove_file(place.path("killed.txt")).unwrap();
    }
}

#[test]
fn options_of_another_model_are_refused() {
    let place = subjects();
    place.amodal("words train text -o v.txt --model glove --negative 3").failed(2, &["--negative: is for skip-gram"]);
    place.amodal("words train text -o v.txt --memory 3").failed(2, &["--memory: is for glove"]);
    place.amodal("words train text -o none/v.txt").failed(1, &["none: not a folder"]);
    assert!(!place.path("v.txt").exists());
}

#[test]
fn vectors_are_learned_and_asked() {
    let place = subjects();
    let train = "words train text -o v.txt --dim 8 --sample 0 --learning-rate 0.1 --threads 1";
    let ran =
        place.amodal(train).done().says(&["36,000 words in the text; 8 different ones", "wrote v.txt: 8 vectors"]);
    assert_eq!(ran.stdout, "");
    let first = place.bytes("v.txt");
    assert!(first.starts_with(b"8 8\n"));
    place.amodal(train).done();
    assert_eq!(place.bytes("v.txt"), first, "the same seed, the same bytes");

    let near = place.amodal("words nearest v.txt sea -k 3 --json").done().json();
    let mut near: Vec<&str> = near.as_array().unwrap().iter().map(|one| one["word"].as_str().unwrap()).collect();
    near.sort_unstable();
    assert_eq!(near, ["sail", "ship", "wave"]);
    assert_eq!(place.amodal("words analogy v.txt sea ship sky -k 2").done().stdout.lines().count(), 2);
    place.amodal("words nearest v.txt shipp").failed(1, &["`shipp`", "did you mean `ship`?"]);
    place.amodal("words train text -o v.txt --dim 0").failed(2, &["dim"]);
    place.amodal("words train nosuch -o v.txt").failed(1, &["nosuch"]);
    place.write("bad", b"a b\nc \xff d\n");
    place.amodal("words train bad -o v.txt").failed(1, &["bad:2: not UTF-8 at byte 6"]);
    place.write("one", "word word word word word word\n");
    place.amodal("words train one -o v.txt").failed(1, &["1 different words among 6", "--min-count"]);
    assert_eq!(place.bytes("v.txt"), first, "a failure leaves the old file");
}

#[test]
fn vectors_in_every_form() {
    let place = Place::new();
    place.write("v.txt", "3 2\nsea 1 0.5\nship 0.75 0.5\ncake -1 2\n");
    place.amodal("words convert v.txt v.bin").done().says(&["wrote v.bin: 3 vectors of 2 numbers"]);
    place.amodal("words convert v.bin v.safetensors").done();
    place.amodal("words convert v.safetensors v.vec").done();
    assert_eq!(place.read("v.vec"), place.read("v.txt"));
    place.amodal("words convert v.bin glove --format glove").done();
    assert_eq!(place.read("glove"), "sea 1 0.5\nship 0.75 0.5\ncake -1 2\n");
    let near = |file: &str| place.amodal(&format!("words nearest {file} sea -k 2")).done().stdout;
    for file in ["v.bin", "v.safetensors", "v.vec", "glove"] {
        assert_eq!(near(file), near("v.txt"), "{file}");
    }
    place.write("text", "sea ship sea ship sky cloud sky cloud\n".repeat(5));
    place.amodal("words train text -o t.bin --dim 4 --threads 1").done();
    place.amodal("words train text -o t.txt --dim 4 --threads 1").done();
    place.amodal("words convert t.bin u.txt").done();
    assert_eq!(place.read("u.txt"), place.read("t.txt"));

    let cut = place.bytes("v.bin");
    place.write("cut.bin", &cut[..cut.len() - 3]);
    place
        .amodal("words nearest cut.bin sea")
        .failed(1, &["cut.bin: word 3 of 3, at byte 29: the file ends within the vector of `cake`", "get it again"]);
    place.amodal("words convert cut.bin v.bin").failed(1, &["cut.bin"]);
    assert_eq!(place.bytes("v.bin"), cut);
    place.amodal("words convert v.txt v.bin --format pickle").failed(2, &["pickle", "safetensors"]);
}

/// A model of fastText, as reference/vectors.py wrote it with gensim.
#[test]
fn a_model_of_fasttext_knows_words_that_it_never_saw() {
    let place = Place::new();
    let model = include_bytes!("../../../amodal/tests/golden/fasttext.bin");
    place.write("f.bin", model);
    let near = place.amodal("words nearest f.bin sailors -k 1 --json").done().json();
    assert_eq!(near[0]["word"], "oddly-shaped", "as gensim has it");
    place.amodal("words convert f.bin f.txt").done().says(&["warning: the vectors of n-grams are left out"]);
    place.amodal("words nearest f.txt sailors").failed(1, &["`sailors`: a word without a vector", "`sailor`?"]);
}

#[test]
fn vectors_are_measured() {
    let place = Place::new();
    for (name, file) in [
        ("v.txt", include_bytes!("../../../amodal/tests/golden/vectors.txt").as_slice()),
        ("pairs.tsv", include_bytes!("../../../amodal/tests/golden/word_pairs.tsv")),
        ("analogies.txt", include_bytes!("../../../amodal/tests/golden/word_analogies.txt")),
    ] {
        place.write(name, file);
    }
    let ran = place.amodal("words evaluate v.txt pairs.tsv analogies.txt").done();
    let expected = "pairs.tsv\n  Spearman's correlation  0.1795\n  Pearson's correlation   0.1531\n  pairs                       24\n  \
        left out                     2\n\nanalogies.txt\n  section       right  asked   share  left out\n  \
        first of two      8     12  66.7 %         1\n  second            8     12  66.7 %         1\n  \
        total            16     24  66.7 %         2\n";
    assert_eq!(ran.stdout, expected);
    let all = place.amodal("words evaluate v.txt analogies.txt pairs.tsv --json").done().json();
    assert_eq!((&all[0]["analogies"]["total"]["right"], &all[1]["pairs"]["left_out"]), (&16.into(), &2.into()));
    assert_eq!(all[0]["analogies"]["sections"][1]["section"], "second");
    place.amodal("words evaluate v.txt pairs.tsv --max-words 1").failed(1, &["pairs.tsv: 0 of 26 pairs have vectors"]);
    place.amodal("words evaluate v.txt analogies.txt --max-words 1").failed(1, &["analogies.txt: a word without"]);
    place.write("bad.tsv", "a\tb\t1\na\tb\tc\n");
    place.amodal("words evaluate v.txt bad.tsv").failed(1, &["bad.tsv:2: `a\tb\tc`, expected two words and a number"]);
    place.amodal("words evaluate v.txt").failed(2, &["FILE"]);
}

#[test]
fn phrases_become_words() {
    let place = Place::new();
    let line = |at: usize| format!("w{at} new york city w{} is\n", at * 7 % 40);
    place.write("text", (0..40).map(line).collect::<String>());
    let ran = place.amodal("words phrases text -o joined --threshold 1 -k 1").done();
    assert_eq!(ran.stdout, "new_york  40  3.631\n");
    ran.says(&["wrote joined: 2 phrases, joined 40 times"]);
    assert!(place.read("joined").starts_with("w0 new_york city w0 is\nw1 new_york city w7 is\n"));
    let ran = place.amodal("words phrases joined -o joined --npmi --json").done();
    assert_eq!(ran.json()["best"][0]["phrase"], "new_york_city");
    assert!(place.read("joined").starts_with("w0 new_york_city w0 is\n"));
    let before = place.read("joined");
    place.amodal("words phrases text -o joined --npmi --threshold 2").failed(2, &["threshold", "2"]);
    place.write("bad", b"a b\nc \xff d\n");
    place.amodal("words phrases bad -o joined").failed(1, &["bad:2: not UTF-8"]);
    assert_eq!(place.read("joined"), before, "a failure leaves the old file");
}

#[test]
fn a_map_of_words() {
    let place = Place::new();
    let line = |at: usize| format!("w{at} {} {} {}\n", at % 3, at * at % 7, at * 5 % 11);
    place.write("v.txt", (1..60).map(line).collect::<String>());
    place.amodal("words map v.txt -o map.html --words 40").done().says(&["wrote map.html: 40 words; ", " by chance)"]);
    let page = place.read("map.html");
    assert!(page.contains("<title>Words of v.txt</title>") && page.contains(">w40</text>") && !page.contains("w41"));
    place.amodal("words map v.txt -o again.html --words 40").done();
    assert_eq!(place.read("again.html"), page);
    place.amodal("words map v.txt -o named.html --named w9 w5 w7 w11 w50").done();
    assert!(place.read("named.html").contains(">w50</text>"));
    place
        .amodal("words map v.txt -o no.html --named w9 w5 w7 w11 w500")
        .failed(1, &["`w500`: a word without a vector"]);
    place.amodal("words map v.txt -o no.html --words 2").failed(1, &["2 words, expected 5 to 5000"]);
    assert!(!place.path("no.html").exists());
}
