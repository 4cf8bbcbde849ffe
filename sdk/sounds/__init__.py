"""Sound that lies in files: recordings of any kind as samples, without a soundcard or a clock."""
