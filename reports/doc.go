// SPDX-License-Identifier: Apache-2.0

// Package reports writes an analysis for people and programs: text for a
// terminal, Markdown for a pull request, CSV for a spreadsheet and JSON for
// tools. A report says first what was captured and how far to believe it, then
// where the time went: by layer, component, category and op.
//
// Rows of a table add up to the total row under it, what could not be placed is
// a row of its own, and every share names its denominator. Equal layers, and
// equal ops of several layers, are folded to one row unless Options.All says
// otherwise; CSV and JSON never fold.
//
// Names come from the capture and are not trusted: control and bidirectional
// characters, Markdown and spreadsheet formulas in them are defused.
//
// See the example of [New].
package reports
