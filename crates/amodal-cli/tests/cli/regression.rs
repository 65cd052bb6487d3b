//! One test for each defect that was reported or found, named after it: `r12_…` for issue 12. It fails on the code
//! before the fix.
use crate::data::trained;

/// A table with a `split` column was divided although all of its rows were asked for, and one row cannot be.
#[test]
fn a_table_of_one_row_with_a_split_is_predicted() {
    let place = trained();
    let table = place.read("table.csv");
    place.write("one.csv", table.lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    assert_eq!(place.amodal("predict run one.csv").done().json_lines().len(), 1);
    assert_eq!(place.amodal("embed run one.csv").done().json_lines().len(), 2);
    place.amodal("index run one.csv -o index -q").done();
    place.write(
        "empty_cell.csv",
        table.lines().take(4).map(|line| line.replace(",train", ",") + "\n").collect::<String>(),
    );
    assert_eq!(place.amodal("predict run empty_cell.csv").done().json_lines().len(), 3);
}
