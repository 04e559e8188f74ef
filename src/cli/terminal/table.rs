//! A table that fits: columns as wide as they need, those that may be cut as wide as there is room.
//!
//! `columns, rows → Table → lines; where not even what is cut fits, each row is lines of its own`

use super::width::{cut, room, width};

/// The least that a column is cut to.
const LEAST: usize = 6;

/// What stands between two columns.
const BETWEEN: usize = 2;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    name: &'static str,
    /// Numbers stand at the right.
    is_right: bool,
    is_cut: bool,
}

impl Column {
    /// A text that stands there whole, as an id that somebody will type.
    pub(crate) const fn whole(name: &'static str) -> Self {
        Self { name, is_right: false, is_cut: false }
    }

    /// A text that is cut where there is no room for it.
    pub(crate) const fn text(name: &'static str) -> Self {
        Self { name, is_right: false, is_cut: true }
    }

    /// A number.
    pub(crate) const fn number(name: &'static str) -> Self {
        Self { name, is_right: true, is_cut: false }
    }
}

/// A table whose rows may come in several parts, of which the first says how wide the columns are.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    room: usize,
    widths: Option<Vec<usize>>,
}

impl Table {
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self::within(columns, room())
    }

    fn within(columns: &[Column], room: usize) -> Self {
        Self { columns: columns.to_vec(), room, widths: None }
    }

    /// The lines of these rows, below their header if they are the first. Each cell is one line that was escaped.
    pub(crate) fn lines(&mut self, rows: &[Vec<String>]) -> String {
        let mut lines = String::new();
        let is_first = self.widths.is_none();
        let widths = self.widths.take().unwrap_or_else(|| self.measure(rows));
        let taken = widths.iter().sum::<usize>() + BETWEEN * widths.len().saturating_sub(1);
        if taken > self.room {
            rows.iter().for_each(|row| self.stack(row, &mut lines));
        } else {
            if is_first {
                let names: Vec<String> = self.columns.iter().map(|column| column.name.to_owned()).collect();
                self.line(&names, &widths, &mut lines);
            }
            rows.iter().for_each(|row| self.line(row, &widths, &mut lines));
        }
        self.widths = Some(widths);
        lines
    }

    /// How wide each column is: as its widest cell, and those that may be cut as narrow as they have to be.
    fn measure(&self, rows: &[Vec<String>]) -> Vec<usize> {
        let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at)).map(|cell| width(cell)).max();
        let mut widths: Vec<usize> =
            (0..self.columns.len()).map(|at| cells(at).unwrap_or(0).max(width(self.columns[at].name))).collect();
        let all = |widths: &[usize]| widths.iter().sum::<usize>() + BETWEEN * widths.len().saturating_sub(1);
        while all(&widths) > self.room {
            // The widest gives way first.
            let widest = (0..widths.len()).filter(|at| self.columns[*at].is_cut && widths[*at] > LEAST);
            let Some(widest) = widest.max_by_key(|at| widths[*at]) else { break };
            widths[widest] -= 1;
        }
        widths
    }

    fn line(&self, row: &[String], widths: &[usize], lines: &mut String) {
        let mut line = String::new();
        for ((cell, column), room) in row.iter().zip(&self.columns).zip(widths) {
            let cell = if column.is_cut { cut(cell, *room) } else { cell.clone() };
            let blank = " ".repeat(room.saturating_sub(width(&cell)));
            if !line.is_empty() {
                line.push_str(&" ".repeat(BETWEEN));
            }
            if column.is_right {
                line.push_str(&blank);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&blank);
            }
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }

    /// A row below each other, where the terminal is too narrow for it.
    fn stack(&self, row: &[String], lines: &mut String) {
        for (at, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
            let name = column.name.to_lowercase();
            let begin = if at == 0 { "" } else { "  " };
            let room = self.room.saturating_sub(width(begin) + width(&name) + 2).max(LEAST);
            let cell = if column.is_cut { cut(cell, room) } else { cell.clone() };
            lines.push_str(&format!("{begin}{name}: {cell}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::whole("ID"), Column::text("EVENT"), Column::number("ATTEMPTS")];

    fn row(cells: [&str; 3]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let mut table = Table::within(&COLUMNS, 80);
        let lines = table.lines(&[row(["7", "OrderPlaced", "15"]), row(["12", "注文", "1"])]);
        assert_eq!(lines, "ID  EVENT        ATTEMPTS\n7   OrderPlaced        15\n12  注文                1\n");
        // What comes later stands below, and has no header.
        assert_eq!(table.lines(&[row(["13", "OrderPlacedAgain", "2"])]), "13  OrderPlace…         2\n");
    }

    #[test]
    fn what_may_be_cut_is_cut_and_an_id_is_not() {
        let rows = [row(["0123456789", "OrderPlaced", "15"])];
        let lines = Table::within(&COLUMNS, 28).lines(&rows);
        assert_eq!(lines, "ID          EVENT   ATTEMPTS\n0123456789  Order…        15\n");
        let lines = Table::within(&COLUMNS, 20).lines(&rows);
        assert_eq!(lines, "id: 0123456789\n  event: OrderPlaced\n  attempts: 15\n");
        for room in 1..100 {
            let lines = Table::within(&COLUMNS, room).lines(&rows);
            assert!(lines.contains("0123456789"), "{room}: {lines}");
            assert!(lines.lines().all(|line| width(line) <= room.max(15)), "{room}: {lines}");
        }
    }
}
