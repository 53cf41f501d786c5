#!/usr/bin/env octave-cli
#SBATCH --job-name=co2 --cpus-per-task=1 --mem=500M --time=10
#SCISERVER --image=octave --volume=co2:ro
%% How fast carbon dioxide rose at Mauna Loa, from 1960 to 2000.
%
% Data: the data volume `co2`, weekly values in ppm (C. D. Keeling and T. P. Whorf, 2004); or the CSV file
% named as the first argument.
% Expected: ANSWER growth_ppm_per_year=1.32. NOAA's table of annual means at Mauna Loa has 316.91 ppm for 1960
% and 369.71 ppm for 2000 (gml.noaa.gov/ccgg/trends): 52.80 ppm in 40 years.
1;

function means = annual_means(path, years)
  means = zeros(size(years));
  % Rows are YYYYMMDD,ppm; an empty second field is a week without a measurement.
  table = dlmread(path, ",", 1, 0, "emptyvalue", NaN);
  table = table(! isnan(table(:, 2)), :);
  month = floor(table(:, 1) / 100);
  for i = 1:numel(years)
    % Each month's mean first, so that missing weeks do not weigh on a season.
    of_month = @(number) mean(table(month == years(i) * 100 + number, 2));
    means(i) = mean(arrayfun(of_month, 1:12));
  endfor
endfunction

path = "/home/idies/workspace/co2/co2.csv";
if (numel(argv()) > 0)
  path = argv(){1};
endif
years = [1960, 2000];
means = annual_means(path, years);
printf("annual mean %d: %.2f ppm\nannual mean %d: %.2f ppm\n", [years; means]);
printf("ANSWER growth_ppm_per_year=%.3f\n", diff(means) / diff(years));
