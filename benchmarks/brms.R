# The item of peers.py in brms, for those who have R: Rscript benchmarks/brms.R survey.csv
#
# survey.csv: columns y (0, 1, 2), country, and x0 to x9 as the package codes them; written by
#   python benchmarks/peers.py --write survey.csv

library(brms)
data <- read.csv(commandArgs(trailingOnly = TRUE)[1])
data$y <- factor(data$y, ordered = TRUE)
columns <- grep("^x", names(data), value = TRUE)
slopes <- paste(c(columns, sprintf("(0 + %s | country)", columns)), collapse = " + ")
priors <- c(
  set_prior("normal(0, 0.5)", class = "b"),
  set_prior("normal(0, 4)", class = "Intercept"),
  set_prior("normal(0, 0.3)", class = "sd"),
  set_prior("normal(0, 0.5)", class = "sd", group = "country", coef = "Intercept")
)
started <- proc.time()
fit <- brm(
  as.formula(paste("y ~ (1 | country) +", slopes)), data,
  family = cumulative(), prior = priors, chains = 4, cores = 2, iter = 2000, seed = 2008
)
seconds <- (proc.time() - started)[["elapsed"]]
cat(sprintf("%.1f s, smallest bulk ESS %.0f\n", seconds, min(posterior::summarise_draws(fit)$ess_bulk, na.rm = TRUE)))
