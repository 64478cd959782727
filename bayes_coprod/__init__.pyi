# The public names and their homes: lazy_loader reads this file, and type checkers do.
from .diagnostics.calibration import calibrate as calibrate
from .diagnostics.comparison import compare_models as compare_models
from .diagnostics.countries import check_countries as check_countries
from .diagnostics.fit import check_fit as check_fit
from .diagnostics.influence import (
    check_influence as check_influence,
    citizen_loo as citizen_loo,
)
from .diagnostics.influence_figures import (
    plot_influence as plot_influence,
    plot_left_out as plot_left_out,
)
from .diagnostics.left_out import leave_one_country_out as leave_one_country_out
from .diagnostics.predictive import check_predictive as check_predictive
from .diagnostics.predictive_figures import (
    plot_calibration as plot_calibration,
    plot_pit as plot_pit,
    plot_reliability as plot_reliability,
)
from .diagnostics.prior import (
    check_prior as check_prior,
    check_sensitivity as check_sensitivity,
    draw_prior as draw_prior,
    prior_sensitivity as prior_sensitivity,
)
from .diagnostics.prior_figures import (
    plot_priors as plot_priors,
    plot_sensitivity as plot_sensitivity,
)
from .diagnostics.ranks import check_calibration as check_calibration
from .diagnostics.recovery import recover as recover
from .diagnostics.sampling_figures import (
    plot_chains as plot_chains,
    plot_energy as plot_energy,
)
from .diagnostics.shares import calibration_table as calibration_table
from .errors import CoprodError as CoprodError
from .estimands.between import (
    new_country as new_country,
    pooling_factor as pooling_factor,
    variance_shares as variance_shares,
)
from .estimands.changes import (
    by as by,
    to as to,
)
from .estimands.closing import closing_the_gap as closing_the_gap
from .estimands.countries import (
    country_contrasts as country_contrasts,
    country_levels as country_levels,
    country_mean as country_mean,
    country_ranks as country_ranks,
    gap as gap,
)
from .estimands.curves import category_curves as category_curves
from .estimands.drivers import (
    driver_contrast as driver_contrast,
    driver_effects as driver_effects,
)
from .estimands.groups import group_levels as group_levels
from .estimands.pooling import compare_pooling as compare_pooling
from .estimands.propensities import citizen_propensities as citizen_propensities
from .estimands.reach import (
    reach as reach,
    reached as reached,
)
from .estimands.scenarios import scenario as scenario
from .estimands.summarise import summarise as summarise
from .finding import (
    Finding as Finding,
    Findings as Findings,
)
from .inference.fit import (
    Fit as Fit,
    load_fit as load_fit,
    save_fit as save_fit,
)
from .inference.pointwise import add_log_likelihood as add_log_likelihood
from .inference.sample import fit_model as fit_model
from .model.spec import (
    ModelSpec as ModelSpec,
    list_models as list_models,
    load_model as load_model,
)
from .report.country_figures import (
    plot_contrasts as plot_contrasts,
    plot_ranks as plot_ranks,
)
from .report.figures import (
    plot_drivers as plot_drivers,
    plot_gulf as plot_gulf,
)
from .report.item_figures import (
    plot_categories as plot_categories,
    plot_shifts as plot_shifts,
)
from .report.pooling_figures import plot_pooling as plot_pooling
from .report.scenario_figures import (
    plot_closing as plot_closing,
    plot_scenario as plot_scenario,
)
from .report.survey_figures import (
    plot_coverage as plot_coverage,
    plot_shares as plot_shares,
)
from .report.table_files import write_table as write_table
from .report.write import write_report as write_report
from .survey.codebook import load_codebook as load_codebook
from .survey.coverage import check_survey as check_survey
from .survey.describe import describe as describe
from .survey.drafting.draft import draft_codebook as draft_codebook
from .survey.entries import Codebook as Codebook
from .survey.impute import impute as impute
from .survey.read import (
    Survey as Survey,
    keep_complete as keep_complete,
    read_survey as read_survey,
)
from .survey.simulate import (
    five_nations as five_nations,
    simulate_survey as simulate_survey,
)

__version__: str
