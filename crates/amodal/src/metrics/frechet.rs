//! Fréchet distance of what was made and what is right, all rows together.
use super::{Entry, Figure, Kind, Metric, View, pictures};
use crate::{Result, media::image::Picture};

/// The list's entry.
pub const ENTRY: Entry = Entry {
    name: "frechet",
    about: "Fréchet distance of the made and the right pictures or frames, each set taken as a normal distribution of the colours in 4 × 4 cells (0 to 1): whether as a whole they look and vary alike, whichever belongs to which (computed as pytorch-fid does; Heusel et al. 2017, arXiv:1706.08500); beside always giving the mean picture. Differs: cells in place of Inception's features, so that no figure compares with a published FID.",
    kind: Kind::Image,
    make: || Box::new(Frechet::default()),
};

/// Cells on each side of a picture.
const CELLS: usize = 4;

#[derive(Default)]
struct Frechet {
    made: Gaussian,
    right: Gaussian,
}

impl Metric for Frechet {
    fn update(&mut self, view: &View) -> Result<()> {
        for (made, right) in pictures(view)? {
            self.made.add(&cells(&made));
            self.right.add(&cells(&right));
        }
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        if self.right.count == 0 {
            return Vec::new();
        }
        vec![Figure {
            name: "frechet".into(),
            value: distance(&self.made, &self.right),
            // the mean alone has the right mean, and no covariance
            floor: trace(&self.right.covariance(), self.right.mean.len()),
            floor_name: "mean picture",
            is_share: false,
            higher_is_better: false,
            count: self.right.count,
        }]
    }
}

/// Mean colours of the cells, row by row. A picture of fewer pixels than cells has some cells of one pixel.
fn cells(picture: &Picture) -> Vec<f64> {
    let range = |cell: usize, side: usize| {
        let start = cell * side / CELLS;
        start..((cell + 1) * side / CELLS).max(start + 1)
    };
    let mut vector = Vec::with_capacity(CELLS * CELLS * 3);
    for (row, column, colour) in (0..CELLS * CELLS * 3).map(|at| (at / 3 / CELLS, at / 3 % CELLS, at % 3)) {
        let (rows, columns) = (range(row, picture.height), range(column, picture.width));
        let count = rows.len() * columns.len() * 255;
        let places = rows.flat_map(|y| columns.clone().map(move |x| (y * picture.width + x) * 3 + colour));
        vector.push(places.map(|at| f64::from(picture.pixels[at])).sum::<f64>() / count as f64);
    }
    vector
}

/// Mean and covariance of vectors, row after row (Welford 1962).
#[derive(Default)]
struct Gaussian {
    count: usize,
    mean: Vec<f64>,
    /// `[dim, dim]`: sums of products of the distances to the mean.
    scatter: Vec<f64>,
}

impl Gaussian {
    fn add(&mut self, vector: &[f64]) {
        self.count += 1;
        self.mean.resize(vector.len(), 0.0);
        self.scatter.resize(vector.len() * vector.len(), 0.0);
        let away: Vec<f64> = vector.iter().zip(&self.mean).map(|(value, mean)| value - mean).collect();
        self.mean.iter_mut().zip(&away).for_each(|(mean, away)| *mean += away / self.count as f64);
        let share = 1.0 - 1.0 / self.count as f64;
        for (row, one) in self.scatter.chunks_exact_mut(vector.len()).zip(&away) {
            row.iter_mut().zip(&away).for_each(|(sum, other)| *sum += share * one * other);
        }
    }

    /// `[dim, dim]`, for one row less than there are; of one row zero.
    fn covariance(&self) -> Vec<f64> {
        let rows = self.count.saturating_sub(1).max(1) as f64;
        self.scatter.iter().map(|sum| sum / rows).collect()
    }
}

/// `|m₁ − m₂|² + tr(S₁ + S₂ − 2 √(S₁ S₂))`, where the eigenvalues of `S₁ S₂` are those of the symmetric `√S₁ S₂ √S₁`.
fn distance(first: &Gaussian, second: &Gaussian) -> f64 {
    let dim = first.mean.len();
    let means = first.mean.iter().zip(&second.mean).map(|(first, second)| (first - second).powi(2));
    let (one, other) = (first.covariance(), second.covariance());
    let root = square_root(&one, dim);
    let (values, _) = eigen(product(&product(&root, &other, dim), &root, dim), dim);
    let roots = values.iter().map(|value| value.max(0.0).sqrt());
    (means.sum::<f64>() + trace(&one, dim) + trace(&other, dim) - 2.0 * roots.sum::<f64>()).max(0.0)
}

fn trace(matrix: &[f64], dim: usize) -> f64 {
    matrix.iter().step_by(dim + 1).sum()
}

/// The product of two matrices, the second of which is symmetric.
fn product(first: &[f64], second: &[f64], dim: usize) -> Vec<f64> {
    let dot = |row: &[f64], column: &[f64]| row.iter().zip(column).map(|(a, b)| a * b).sum();
    first.chunks_exact(dim).flat_map(|row| second.chunks_exact(dim).map(move |column| dot(row, column))).collect()
}

/// The square root of a symmetric matrix without negative eigenvalues.
fn square_root(matrix: &[f64], dim: usize) -> Vec<f64> {
    let (values, vectors) = eigen(matrix.to_vec(), dim);
    let mut root = vec![0.0; dim * dim];
    for (value, vector) in values.iter().zip(vectors.chunks_exact(dim)) {
        let scale = value.max(0.0).sqrt();
        for (row, one) in root.chunks_exact_mut(dim).zip(vector) {
            row.iter_mut().zip(vector).for_each(|(sum, other)| *sum += scale * one * other);
        }
    }
    root
}

/// Eigenvalues of a symmetric matrix, and its eigenvectors row by row: by rotations that clear one pair of places after
/// the other until nothing is left beside the diagonal (Jacobi 1846).
fn eigen(mut matrix: Vec<f64>, dim: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors: Vec<f64> = (0..dim * dim).map(|at| f64::from(u8::from(at % (dim + 1) == 0))).collect();
    let size: f64 = matrix.iter().map(|value| value * value).sum();
    for _ in 0..SWEEPS {
        let beside: f64 = matrix.iter().enumerate().filter(|(at, _)| at % (dim + 1) != 0).map(|(_, v)| v * v).sum();
        if beside <= size * f64::EPSILON * f64::EPSILON {
            break;
        }
        for (p, q) in (0..dim).flat_map(|p| (p + 1..dim).map(move |q| (p, q))) {
            let between = matrix[p * dim + q];
            if between == 0.0 {
                continue;
            }
            let slope = (matrix[q * dim + q] - matrix[p * dim + p]) / (2.0 * between);
            let tangent = slope.signum() / (slope.abs() + slope.hypot(1.0));
            let cosine = 1.0 / tangent.hypot(1.0);
            let sine = tangent * cosine;
            let turn = |values: &mut [f64], one: usize, other: usize| {
                let (a, b) = (values[one], values[other]);
                (values[one], values[other]) = (cosine * a - sine * b, sine * a + cosine * b);
            };
            for at in 0..dim {
                turn(&mut matrix, at * dim + p, at * dim + q);
            }
            for at in 0..dim {
                turn(&mut matrix, p * dim + at, q * dim + at);
                turn(&mut vectors, p * dim + at, q * dim + at);
            }
        }
    }
    (matrix.into_iter().step_by(dim + 1).collect(), vectors)
}

/// Rounds over all pairs at most; five to ten are enough.
const SWEEPS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{assert_near, list};

    #[test]
    fn equals_pytorch_fid() {
        for case in list("frechet") {
            let set = |name: &str| {
                let mut set = Gaussian::default();
                serde_json::from_value::<Vec<Vec<f64>>>(case[name].clone())
                    .unwrap()
                    .iter()
                    .for_each(|row| set.add(row));
                set
            };
            let (name, expected) = (case["name"].as_str().unwrap(), case["distance"].as_f64().unwrap());
            assert_near(name, distance(&set("made"), &set("right")), expected, 1e-6);
        }
    }

    #[test]
    fn the_floor_is_the_distance_of_the_mean_picture() {
        let vectors = [[0.1, 0.9], [0.5, 0.2], [0.3, 0.3]];
        let (mut constant, mut right) = (Gaussian::default(), Gaussian::default());
        for vector in &vectors {
            right.add(vector);
            constant.add(&[0.3, 1.4 / 3.0]);
        }
        assert_near("floor", distance(&constant, &right), trace(&right.covariance(), 2), 1e-9);
    }

    #[test]
    fn cells_are_mean_colours() {
        let mut picture = Picture::filled(8, 12, [255, 0, 0]);
        assert_eq!(cells(&picture), [1.0, 0.0, 0.0].repeat(16));
        picture.pixels[3..6].copy_from_slice(&[255, 255, 0]);
        assert_eq!(cells(&picture)[..6], [1.0, 1.0 / 6.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(cells(&Picture::filled(1, 3, [0, 0, 255])), [0.0, 0.0, 1.0].repeat(16));
    }
}
