//! Rows become series: labels, values, the policies for NULL, duplicates and grids, and the count of it all.
