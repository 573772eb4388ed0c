"""One module an experiment, each written as a user of pynn would write it. `pynn.lab.contents` has their order."""
