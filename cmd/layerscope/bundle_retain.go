// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/reports/bundle"
)

func (a *app) bundleRetain() *cobra.Command {
	var output string
	var sole bool
	cmd := &cobra.Command{
		Use:   "retain SET DIR -o NEW",
		Short: "Make a smaller bundle: what is left out stays listed, with its hashes",
		Long: `retain makes the bundle NEW of the part of the bundle DIR that a set keeps. DIR must verify, and stays. The manifest of
NEW lists what was left out, with hashes, and names the manifest of DIR as its parent, so that verify knows what is
absent on purpose.

  full      everything
  standard  without captures that others hold more completely, such as viewers' JSON beside an XSpace
  compact   standard, without memory profiles and logs
  minimal   without captures, memory profiles and logs

A set that leaves out the only complete form of a raw capture is refused: it can't be made again from anything.
--drop-sole-capture does it.`,
		Example: `  layerscope bundle retain standard runs/first -o runs/first-small
  layerscope bundle retain minimal runs/first -o runs/first-tables --drop-sole-capture`,
		Args: exactly("SET and DIR", 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" {
				return usagef("-o runs/smaller", "bundle retain: want -o NEW")
			}
			switch args[0] {
			case "full", "standard", "compact", "minimal":
			default:
				hint := ""
				if near := nearest(args[0], []string{"full", "standard", "compact", "minimal"}); near != "" {
					hint = "did you mean " + near + "?"
				}
				return usagef(hint, "bundle retain %s: want full, standard, compact or minimal", args[0])
			}
			err := a.made(cmd.Context(), output, func() error {
				_, err := bundle.Retain(args[1], output, bundle.RetainOptions{Set: args[0], DropSole: sole, Tool: toolVersion(), Time: a.now()})
				return err
			})
			if errors.Is(err, bundle.ErrSoleCapture) {
				return &hintedError{err, "compact keeps it; --drop-sole-capture leaves it out"}
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "the new bundle's `DIR`, which must not exist")
	cmd.Flags().BoolVar(&sole, "drop-sole-capture", false, "leave out the only complete form of a raw capture, if the set says so")
	return cmd
}
