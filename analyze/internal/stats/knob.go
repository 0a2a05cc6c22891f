package stats
var knobK, knobL = 1.0, 0.5
